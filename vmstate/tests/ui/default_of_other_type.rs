use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(default = "x")]
    level: u8,
}

fn main() {}
