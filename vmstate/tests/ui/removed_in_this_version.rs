use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, removed(scratch: u8, until = 2, default = 0))]
struct Uart {
    level: u8,
}

fn main() {}
