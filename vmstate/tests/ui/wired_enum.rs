use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, wired)]
enum Mode {
    #[vmstate(id = 1)]
    Idle,
}

fn main() {}
