//! Every field kind goes through save and load, and reset gives the declared defaults.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use vmstate::schema::SchemaTable;
use vmstate::{Instance, VmState};

bitflags::bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Status: u16 {
        const READY = 1;
        const OVERRUN = 1 << 9;
    }
}
vmstate::bitflags_fields!(Status: u16);

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1)]
enum Mode {
    #[vmstate(id = 0)]
    Idle,
    #[vmstate(id = 7)]
    Busy(u8, #[vmstate(max_len = 3)] Vec<u16>),
    #[vmstate(id = 2, default)]
    Waiting {
        #[vmstate(default = 5)]
        left: u32,
    },
}

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1)]
struct Ring<T, const N: usize> {
    items: [T; N],
    head: u32,
}

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1)]
struct Everything {
    ints: (u8, u16, u32, u64, u128),
    signed: (i8, i16, i32, i64, i128),
    truth: bool,
    floats: (f32, f64),
    bytes: [u8; 100],
    words: [u32; 40],
    #[vmstate(max_len(4, 10))]
    lists: Vec<Vec<u8>>,
    #[vmstate(max_len = 8)]
    queue: VecDeque<u16>,
    #[vmstate(max_len = 8)]
    map: BTreeMap<u32, Mode>,
    #[vmstate(max_len = 8)]
    set: BTreeSet<i16>,
    #[vmstate(max_len = 32, default = "boot".to_owned())]
    name: String,
    maybe: Option<Box<Ring<u8, 3>>>,
    slots: [Option<Box<Mode>>; 4],
    mode: Mode,
    status: Status,
    #[vmstate(flags(ENABLE = 0, IRQ = 6), default = 0x40)]
    control: u8,
    unit: Empty,
    tuple_struct: Pair,
}

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1)]
struct Empty;

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1)]
struct Pair(u8, Ring<u64, 2>);

fn sample() -> Everything {
    let mut value: Everything = vmstate::fresh();
    value.ints = (255, 65535, u32::MAX, u64::MAX, u128::MAX);
    value.signed = (-128, i16::MIN, i32::MIN, i64::MIN, i128::MIN);
    value.truth = true;
    value.floats = (-0.0, f64::from_bits(0x7ff0_0000_0000_0001));
    value.bytes[99] = 7;
    value.words = std::array::from_fn(|i| 1 << (i % 32));
    value.lists = vec![vec![1, 2], vec![], vec![3; 10]];
    value.queue = (0..8).collect();
    value.queue.rotate_left(3);
    value.map = [(1, Mode::Idle), (900, Mode::Busy(3, vec![1, 65535]))].into();
    value.set = [-5, 0, 5].into();
    value.maybe = Some(Box::new(Ring { items: [1, 2, 3], head: 1 }));
    value.slots[2] = Some(Box::new(Mode::Waiting { left: 300 }));
    value.status = Status::READY | Status::OVERRUN;
    value
}

fn load<T: VmState>(live: &mut T, bytes: &[u8]) -> Result<(), vmstate::error::LoadError> {
    let mut table = SchemaTable::new();
    let writer = (live as &dyn Instance).collect_schemas(T::DEF.version, &mut table);
    table.verify().map_err(vmstate::schema::SchemaError::into_load_error)?;
    let writer = table.resolve(&writer).expect("it was just collected");
    let mut staged = live.stage(bytes, writer, &table)?;
    Instance::swap(live, &mut staged)?;
    Instance::finish(live, &staged)
}

fn saved<T: VmState>(live: &T) -> Vec<u8> {
    vmstate::field::encode::<T, vmstate::field::Unbounded>(live).expect("state is saveable")
}

#[test]
fn every_kind_round_trips() {
    let bytes = saved(&sample());
    let mut live: Everything = vmstate::fresh();
    load(&mut live, &bytes).expect("own bytes load");
    assert_eq!(saved(&live), bytes);
    assert_eq!(live.map, sample().map);
    assert_eq!(live.floats.1.to_bits(), 0x7ff0_0000_0000_0001);
}

#[test]
fn constant_and_runtime_hashes_are_the_same() {
    let schema = vmstate::schema::encode::schema_of(&Everything::DEF, 1);
    assert_eq!(schema.hash.0, Everything::HASH);
    assert_eq!(schema.nested().len(), 6);
    assert_eq!(<Pair as VmState>::DEF.full_name(), "Pair");
    assert_eq!(<Ring<u8, 3> as VmState>::DEF.full_name(), "Ring<u8,3>");
}

#[test]
fn defaults_are_the_declared_ones() {
    let fresh: Everything = vmstate::fresh();
    assert_eq!(fresh.name, "boot");
    assert_eq!(fresh.control, 0x40);
    assert_eq!(fresh.mode, Mode::Waiting { left: 5 });
    let mut used = sample();
    Instance::reset(&mut used);
    assert_eq!(used, fresh);
}

#[test]
fn every_truncation_is_refused_and_changes_nothing() {
    let bytes = saved(&sample());
    let mut live: Everything = vmstate::fresh();
    for len in 0..bytes.len() {
        assert!(load(&mut live, &bytes[..len]).is_err(), "{len} bytes of {}", bytes.len());
    }
    assert_eq!(live, vmstate::fresh());
}

#[derive(VmState)]
#[vmstate(version = 1, post_load = Self::after, pre_save = Self::before)]
struct Uart {
    #[vmstate(skip("host side"))]
    sink: Vec<String>,
    #[vmstate(equal)]
    clock_hz: u32,
    #[vmstate(default = 3, validate = |d: &u16| if *d == 0 { Err("a divisor of 0") } else { Ok(()) })]
    divisor: u16,
    #[vmstate(cache(rebuild = |uart: &Uart| uart.clock_hz / u32::from(uart.divisor)))]
    baud: u32,
    #[vmstate(max_len = 4, subsection(needed = |uart: &Uart| !uart.fifo.is_empty()))]
    fifo: VecDeque<u8>,
}

impl Uart {
    fn new(clock_hz: u32) -> Self {
        let mut uart =
            Self { sink: vec!["tty".into()], clock_hz, divisor: 0, baud: 0, fifo: VecDeque::new() };
        Instance::reset(&mut uart);
        uart
    }

    fn after(&mut self) -> Result<(), &'static str> {
        if self.divisor == 13 { Err("thirteen") } else { Ok(()) }
    }

    fn before(&self) -> Result<(), String> {
        if self.divisor == 99 { Err("busy".into()) } else { Ok(()) }
    }
}

#[test]
fn wiring_stays_and_caches_follow() {
    let mut source = Uart::new(1000);
    source.divisor = 10;
    source.fifo = [1, 2].into();
    let mut live = Uart::new(1000);
    load(&mut live, &saved(&source)).expect("equal configuration");
    assert_eq!((live.divisor, live.baud, live.fifo.len()), (10, 100, 2));
    assert_eq!(live.sink, ["tty"]);
}

#[test]
fn errors_name_the_field() {
    let mut live = Uart::new(1000);
    let message = |error: vmstate::error::LoadError| error.to_string();
    let other = saved(&Uart::new(2000));
    assert_eq!(
        load(&mut live, &other).map_err(message),
        Err("`clock_hz`: the file has 2000, this machine is configured with 1000".into())
    );
    let mut zero = Uart::new(1000);
    zero.divisor = 0;
    assert_eq!(
        load(&mut live, &saved(&zero)).map_err(message),
        Err("`divisor`: a divisor of 0".into())
    );
    let mut busy = Uart::new(1000);
    busy.divisor = 99;
    let error = Instance::save(&busy, 1, &mut Vec::new()).expect_err("it refuses");
    assert_eq!(error.to_string(), "pre_save of `Uart`: busy");
}

#[test]
fn a_refusing_post_load_is_undone_by_a_second_swap() {
    let mut unlucky = Uart::new(1000);
    unlucky.divisor = 13;
    let bytes = saved(&unlucky);
    let mut live = Uart::new(1000);
    let mut table = SchemaTable::new();
    let writer = (&live as &dyn Instance).collect_schemas(1, &mut table);
    let schema = table.resolve(&writer).expect("collected");
    let mut staged = live.stage(&bytes, schema, &table).expect("decodes");
    Instance::swap(&mut live, &mut staged).expect("same type");
    let error = Instance::finish(&mut live, &staged).expect_err("thirteen");
    assert_eq!(error.to_string(), "post_load of `Uart`: thirteen");
    Instance::swap(&mut live, &mut staged).expect("same type");
    Instance::rebuild(&mut live);
    assert_eq!((live.divisor, live.baud), (3, 333));
}

#[derive(VmState)]
#[vmstate(version = 1)]
struct Framebuffer {
    pixels: Box<[u8; 4 << 20]>,
    rows: Box<[[u16; 256]; 4096]>,
}

#[test]
fn a_boxed_array_is_never_on_the_stack() {
    // Each field is larger than the stack of a test's thread.
    let mut source: Framebuffer = vmstate::fresh();
    source.pixels[4_000_000] = 7;
    source.rows[4000][255] = 9;
    let mut bytes = Vec::new();
    source.save(1, &mut bytes).expect("it has no conditions");
    let mut loaded: Framebuffer = vmstate::fresh();
    let mut staged = loaded.stage_newest(&bytes).expect("its own");
    Instance::swap(&mut loaded, &mut staged).expect("its own");
    assert_eq!((loaded.pixels[4_000_000], loaded.rows[4000][255]), (7, 9));
    // Their defaults do not fit into a schema, and are left out of it.
    let entry = vmstate::lock::Entry::of(&Framebuffer::DEF, 1);
    assert!(entry.fields.iter().all(|field| field.default == "none"), "{}", entry.to_text());
}
