use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
enum Mode {
    #[vmstate(id = 1)]
    Idle,
    #[vmstate(id = 2, name = "Idle")]
    Busy,
}

fn main() {}
