use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, lock = "released.lock")]
struct Timer {
    count: u8,
}

fn main() {}
