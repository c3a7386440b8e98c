use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1, post_load = Uart::fix)]
struct Uart {
    fcr: u8,
}

impl Uart {
    fn fix(&mut self) {
        self.fcr &= 1;
    }
}

fn main() {}
