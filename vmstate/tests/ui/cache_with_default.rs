use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(cache(rebuild = |_: &Uart| 0), default = 1)]
    level: u8,
}

fn main() {}
