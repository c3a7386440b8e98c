use vmstate::VmState;

type Bytes = Vec<u8>;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    fifo: Bytes,
}

fn main() {}
