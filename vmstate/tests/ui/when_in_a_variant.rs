use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
enum Mode {
    #[vmstate(id = 1)]
    Busy {
        #[vmstate(when = |_: &Mode| true)]
        line: u8,
    },
}

fn main() {}
