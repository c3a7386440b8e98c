use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    fifo: Vec<u8>,
}

fn main() {}
