use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
enum Mode {
    #[vmstate(id = 1)]
    Busy {
        #[vmstate(equal)]
        line: u8,
    },
}

fn main() {}
