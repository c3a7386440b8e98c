use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(flags(READY = 0))]
    lsr: i8,
}

fn main() {}
