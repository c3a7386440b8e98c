use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
enum Mode {
    #[vmstate(id = 1, code = 2)]
    Idle,
}

fn main() {}
