use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    counts: [isize; 4],
}

fn main() {}
