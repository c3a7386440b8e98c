use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, lock = "malformed.lock")]
struct Uart {
    fcr: u8,
}

fn main() {}
