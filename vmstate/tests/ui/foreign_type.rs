use vmstate::VmState;

struct Line;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    line: Line,
}

fn main() {}
