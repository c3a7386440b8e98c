use vmstate::VmState;

struct Line;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(max_len = 4)]
    lines: Vec<Line>,
}

fn main() {}
