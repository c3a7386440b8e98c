use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(max_len = 4)]
    fifos: Vec<Vec<u8>>,
}

fn main() {}
