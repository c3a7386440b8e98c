use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(since = 0)]
    level: u8,
}

fn main() {}
