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
    #[vmstate(validate = |line: &Line| if line.level { Ok(()) } else { Err("low") })]
    line: Line,
}

fn main() {}
