use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    count: usize,
    fifo: Vec<u8>,
    #[vmstate(skip)]
    line: u8,
    #[vmstate(since = 2, default = 0)]
    level: u8,
}

fn main() {}
