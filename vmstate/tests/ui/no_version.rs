use vmstate::VmState;

#[derive(VmState)]
struct Uart {
    level: u8,
}

fn main() {}
