use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    next: Option<Box<Self>>,
}

fn main() {}
