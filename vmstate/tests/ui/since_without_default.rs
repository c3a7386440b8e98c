use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Uart {
    #[vmstate(since = 2)]
    level: u8,
}

fn main() {}
