use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, volatile)]
struct Uart {
    level: u8,
}

fn main() {}
