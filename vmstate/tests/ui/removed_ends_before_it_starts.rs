use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 4, removed(scratch: u8, since = 3, until = 2, default = 0))]
struct Uart {
    level: u8,
}

fn main() {}
