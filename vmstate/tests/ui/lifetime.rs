use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Uart<'a> {
    #[vmstate(skip("wiring"))]
    name: &'a str,
}

fn main() {}
