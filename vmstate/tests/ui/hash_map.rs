use vmstate::VmState;

use std::collections::HashMap;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    map: HashMap<u8, u8>,
}

fn main() {}
