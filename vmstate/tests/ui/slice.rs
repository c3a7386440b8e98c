use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    bytes: Box<[u8]>,
}

fn main() {}
