use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, removed(scratch: u8, until = 1, default = 0))]
enum Mode {
    #[vmstate(id = 1)]
    Idle,
}

fn main() {}
