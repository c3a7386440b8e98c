use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(subsection(needed = |uart: &Uart| uart.pause_ns))]
    pause_ns: u64,
}

fn main() {}
