use vmstate::VmState;

#[derive(VmState, Debug, PartialEq)]
#[vmstate(version = 1)]
struct Line {
    #[vmstate(skip("wiring"))]
    sink: u8,
    level: bool,
}

#[derive(VmState)]
#[vmstate(version = 1, wired)]
struct Uart {
    #[vmstate(equal)]
    line: Line,
}

fn main() {}
