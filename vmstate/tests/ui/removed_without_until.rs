use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, removed(scratch: u8, default = 0))]
struct Uart {
    level: u8,
}

fn main() {}
