use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(skip("host side"))]
    output: u8,
    fcr: u8,
}

vmstate::types![Uart];

fn main() {}
