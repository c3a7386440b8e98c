use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Uart {
    #[vmstate(alias("fifo level", until = 1))]
    level: u8,
}

fn main() {}
