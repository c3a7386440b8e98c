use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2)]
struct Timer {
    #[vmstate(convert(from = u8, until = 1, up = widen, down = narrow))]
    period: u16,
}

fn widen(old: u8) -> u16 {
    old.into()
}

fn narrow(new: u16) -> Result<u8, std::num::TryFromIntError> {
    new.try_into()
}

fn main() {}
