use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, lock = "released.lock")]
enum Mode {
    #[vmstate(id = 1)]
    Idle,
    #[vmstate(id = 2)]
    Busy,
}

fn main() {}
