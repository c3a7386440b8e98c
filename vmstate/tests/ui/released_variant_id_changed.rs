use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, lock = "released.lock")]
enum Mode {
    #[vmstate(id = 3)]
    Idle,
    #[vmstate(id = 2)]
    Busy { left: u8 },
}

fn main() {}
