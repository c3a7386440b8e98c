use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Uart {
    #[vmstate(alias("fcr"))]
    fifo_control: u8,
}

fn main() {}
