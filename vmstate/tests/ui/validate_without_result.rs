use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart {
    #[vmstate(validate = |bits: &u8| *bits < 9)]
    word_bits: u8,
}

fn main() {}
