use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(default = 2, default = 3)]
    level: u8,
}

fn main() {}
