use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Uart {
    #[vmstate(since = 3, default = 0)]
    level: u8,
}

fn main() {}
