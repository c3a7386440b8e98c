use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Line {
    is_high: bool,
}

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(equal)]
    line: Line,
}

fn main() {}
