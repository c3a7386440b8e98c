use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, lock = "released.lock")]
struct Bank {
    slots: [u8; SLOTS],
}

const SLOTS: usize = 5;

fn main() {}
