use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(skip("wiring"), default = 1)]
    line: u8,
}

fn main() {}
