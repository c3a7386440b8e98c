use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Uart {
    #[vmstate(convert(from = u8, until = 1, up = f))]
    level: u16,
}

fn main() {}
