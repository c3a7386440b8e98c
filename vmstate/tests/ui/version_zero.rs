use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 0)]
struct Uart {
    level: u8,
}

fn main() {}
