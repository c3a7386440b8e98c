use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
enum Mode {
    #[vmstate(id = 1)]
    Idle,
    Busy,
}

fn main() {}
