use vmstate::VmState;

// Words, rules, variants and the lock: nothing hides anything else.
#[derive(VmState)]
#[vmstate(version = 2, volatile)]
#[vmstate(min_version = 3, lock = "nowhere.lock")]
enum Mode {
    #[vmstate(id = 1)]
    Idle { count: usize },
    #[vmstate(id = 1, since = 4)]
    Busy(#[vmstate(max_len = 4)] u8, #[vmstate(skip)] u8),
    Lost,
}

// A type with mistakes is still a field of another one: no second error follows.
#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    mode: Mode,
    #[vmstate(flags(READY = 8))]
    bits: u8,
}

fn main() {}
