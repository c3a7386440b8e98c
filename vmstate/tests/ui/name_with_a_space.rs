use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, name = "a uart")]
struct Uart {
    level: u8,
}

fn main() {}
