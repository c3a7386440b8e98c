use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, name = "a-name-of-over-ninety-letters-is-allowed-but-three-of-them-are-more-than-a-type-in-a-file-can-have")]
struct Cell<T> {
    value: T,
}

const _: u128 = <Cell<Cell<Cell<u8>>> as VmState>::HASH;

fn main() {}
