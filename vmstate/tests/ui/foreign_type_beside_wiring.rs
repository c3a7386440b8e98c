use vmstate::VmState;

struct Line;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(skip("wiring"))]
    sink: u8,
    line: Line,
}

fn main() {}
