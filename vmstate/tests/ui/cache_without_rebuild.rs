use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(cache)]
    mask: u8,
}

fn main() {}
