use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
enum Mode {
}

fn main() {}
