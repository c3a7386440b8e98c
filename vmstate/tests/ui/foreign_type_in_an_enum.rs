use vmstate::VmState;

struct Line;

#[derive(VmState)]
#[vmstate(version = 1)]
enum Mode {
    #[vmstate(id = 1)]
    Idle,
    #[vmstate(id = 2)]
    Busy { line: Line },
}

fn main() {}
