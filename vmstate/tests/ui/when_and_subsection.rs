use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(when = |_: &Uart| true, subsection(needed = |_: &Uart| true))]
    level: u8,
}

fn main() {}
