use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 3, semantic(revision = 1, since = 3), semantic(revision = 2, since = 2))]
struct Uart {
    level: u8,
}

fn main() {}
