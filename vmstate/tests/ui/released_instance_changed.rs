use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, lock = "released.lock")]
struct Ring<T> {
    head: [T; 2],
}

vmstate::types![Ring<u32>];

fn main() {}
