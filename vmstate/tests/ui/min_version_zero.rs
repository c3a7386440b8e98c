use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, min_version = 0)]
struct Uart {
    level: u8,
}

fn main() {}
