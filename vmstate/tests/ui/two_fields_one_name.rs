use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Uart {
    #[vmstate(alias("level", until = 1))]
    depth: u8,
    level: u8,
}

fn main() {}
