use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, lock = "released.lock")]
struct Status {
    #[vmstate(flags(READY = 0, ERROR = 6))]
    bits: u8,
}

fn main() {}
