use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, lock = "released.lock")]
struct Status {
    bits: u8,
}

fn main() {}
