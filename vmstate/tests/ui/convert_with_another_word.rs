use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Uart {
    #[vmstate(convert(from = u8, until = 1, up = up, back = down))]
    level: u16,
}

fn main() {}
