use vmstate::VmState;

use std::collections::HashSet;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    pending: HashSet<u8>,
}

fn main() {}
