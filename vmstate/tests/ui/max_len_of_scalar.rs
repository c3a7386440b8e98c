use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(max_len = 4)]
    level: u32,
}

fn main() {}
