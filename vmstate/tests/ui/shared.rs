use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    level: std::rc::Rc<u8>,
}

fn main() {}
