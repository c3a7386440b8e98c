use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(max_len = "16")]
    fifo: Vec<u8>,
}

fn main() {}
