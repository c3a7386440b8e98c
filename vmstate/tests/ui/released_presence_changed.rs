use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, lock = "released.lock")]
struct Timer {
    #[vmstate(when = |timer: &Timer| timer.limit != 0)]
    count: u8,
    #[vmstate(since = 2, default = 9)]
    limit: u8,
}

fn main() {}
