use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, lock = "released.lock")]
enum Mode {
    #[vmstate(id = 1)]
    Idle,
}

fn main() {}
