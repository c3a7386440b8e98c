use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 2, lock = "released.lock")]
struct Clock {
    #[vmstate(convert(from = u8, until = 1, up = up, down = down))]
    period_ns: u32,
}

fn up(us: u8) -> Result<u32, String> {
    Ok(u32::from(us) * 1000)
}

fn down(ns: u32) -> Result<u8, String> {
    u8::try_from(ns / 1000).map_err(|error| error.to_string())
}

fn main() {}
