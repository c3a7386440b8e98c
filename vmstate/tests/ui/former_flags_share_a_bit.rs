use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Uart {
    #[vmstate(flags(READY = 1, ERROR = 0))]
    #[vmstate(former_flags(until = 1, READY = 0, ERROR = 0))]
    bits: u8,
}

fn main() {}
