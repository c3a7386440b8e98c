use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, lock = "released.lock")]
struct Clock {
    period_ns: u32,
}

fn main() {}
