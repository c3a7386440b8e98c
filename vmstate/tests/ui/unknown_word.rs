use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(sinse = 2)]
    level: u8,
}

fn main() {}
