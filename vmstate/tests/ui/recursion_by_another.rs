use vmstate::VmState;

#[derive(VmState)]
#[vmstate(version = 1)]
struct Queue {
    #[vmstate(max_len = 4)]
    requests: Vec<Request>,
}

#[derive(VmState)]
#[vmstate(version = 1)]
struct Request {
    reply: Option<Box<Queue>>,
}

fn main() {}
