use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(flags(READY = 0, ERROR = 0))]
    lsr: u8,
}

fn main() {}
