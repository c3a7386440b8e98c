use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, lock = "released.lock")]
struct Fifo {
    level: u8,
    #[vmstate(since = 2, default = 16)]
    depth: u8,
}

#[derive(VmState)]
#[vmstate(version = 1, lock = "released.lock")]
struct Uart {
    fifo: Fifo,
}

fn main() {}
