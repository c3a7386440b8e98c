use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Inner {
    #[vmstate(skip("wiring"))]
    line: u8,
}

#[derive(VmState)]
#[vmstate(version = 1)]
struct Outer {
    inner: Inner,
}

fn main() {}
