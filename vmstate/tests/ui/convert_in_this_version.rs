use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(convert(from = u8, until = 1, up = up, down = down))]
    level: u16,
}

fn main() {}
