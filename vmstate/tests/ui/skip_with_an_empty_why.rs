use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(skip(" "))]
    level: u8,
}

fn main() {}
