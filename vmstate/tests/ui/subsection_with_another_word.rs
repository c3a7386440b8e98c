use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(subsection(when = |_: &Uart| true))]
    level: u8,
}

fn main() {}
