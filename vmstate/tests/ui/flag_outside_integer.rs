use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(flags(READY = 8))]
    lsr: u8,
}

fn main() {}
