use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(equal, default = 3)]
    clock_hz: u32,
}

fn main() {}
