use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Uart {
    #[vmstate(flags(READY = 1), former_flags(until = 1, READY = 9))]
    bits: u8,
}

fn main() {}
