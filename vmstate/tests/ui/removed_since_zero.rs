use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, removed(scratch: u8, since = 0, until = 1, default = 0))]
struct Uart {
    level: u8,
}

fn main() {}
