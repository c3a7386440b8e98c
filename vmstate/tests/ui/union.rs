use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
union Register {
    word: u32,
    bytes: [u8; 4],
}

fn main() {}
