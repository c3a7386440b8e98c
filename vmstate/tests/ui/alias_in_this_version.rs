use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Uart {
    #[vmstate(alias("fcr", until = 2))]
    fifo_control: u8,
}

fn main() {}
