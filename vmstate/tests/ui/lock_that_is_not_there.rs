use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, lock = "nowhere.lock")]
struct Uart {
    level: u8,
}

fn main() {}
