use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(max_len = 4)]
    queue: Vec<std::cell::RefCell<u8>>,
}

fn main() {}
