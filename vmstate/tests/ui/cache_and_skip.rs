use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(skip("wiring"), cache(rebuild = |_: &Uart| 0))]
    level: u8,
}

fn main() {}
