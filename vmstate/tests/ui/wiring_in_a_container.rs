use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Line {
    #[vmstate(skip("wiring"))]
    sink: u8,
    level: bool,
}

#[derive(VmState)]
#[vmstate(version = 1, wired)]
struct Uart {
    line: Option<Line>,
}

fn main() {}
