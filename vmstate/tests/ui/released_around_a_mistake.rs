use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, lock = "released.lock")]
struct Fifo {
    level: u16,
}

#[derive(VmState)]
#[vmstate(version = 1, lock = "released.lock")]
struct Uart {
    fifo: Fifo,
}

fn main() {}
