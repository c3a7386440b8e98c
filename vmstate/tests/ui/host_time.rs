use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    started: std::time::Instant,
}

fn main() {}
