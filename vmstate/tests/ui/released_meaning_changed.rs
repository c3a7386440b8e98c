use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, semantic(revision = 1, since = 2), lock = "released.lock")]
struct Timer {
    count: u8,
    #[vmstate(since = 2, default = 9)]
    limit: u8,
}

fn main() {}
