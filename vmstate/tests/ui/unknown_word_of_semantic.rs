use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, semantic(version = 1))]
struct Uart {
    level: u8,
}

fn main() {}
