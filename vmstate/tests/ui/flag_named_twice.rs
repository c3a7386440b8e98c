use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(flags(READY = 0, READY = 1))]
    bits: u8,
}

fn main() {}
