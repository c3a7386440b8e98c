use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, removed(scratch: u8, until = 1, default = 0, when = needed))]
struct Uart {
    level: u8,
}

fn main() {}
