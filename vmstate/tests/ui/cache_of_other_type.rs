use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Plic {
    pending: u32,
    #[vmstate(cache(rebuild = |plic: &Plic| plic.pending != 0))]
    active: u32,
}

fn main() {}
