use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
enum Mode {
    #[vmstate(id = 1, default)]
    Idle,
    #[vmstate(id = 2, default)]
    Busy,
}

fn main() {}
