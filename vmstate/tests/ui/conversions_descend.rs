use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 4)]
struct Timer {
    #[vmstate(convert(from = u16, until = 2, up = widen, down = narrow))]
    #[vmstate(convert(from = u32, until = 1, up = keep, down = keep))]
    count: u32,
}

fn widen(old: u16) -> Result<u32, String> {
    Ok(old.into())
}

fn narrow(new: u32) -> Result<u16, String> {
    u16::try_from(new).map_err(|error| error.to_string())
}

fn keep(count: u32) -> Result<u32, String> {
    Ok(count)
}

fn main() {}
