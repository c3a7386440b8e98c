use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    level: std::rc::Rc<u8>,
    #[vmstate(max_len = 3)]
    queue: Vec<std::cell::RefCell<u8>>,
}

fn main() {}
