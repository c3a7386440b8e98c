//! Planted faults: each is found by a replay and brought down to the device or field by a bisection.
//!
//! The table is the list of what replay has to notice: devices that ask the host, fields that are not
//! saved, state that depends on how slices are cut, wrong results of translated code, inputs lost,
//! doubled, moved or changed on their way into the recording, and memory that changes by itself.
//! Whatever is added to it must be found; a fault whose place cannot be named says so.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use emulator::{
    devices::{aclint::Aclint, ns16550a::Ns16550a, plic::Plic},
    door::kind,
    journal::{Reader, Record, Writer},
    machine::board::{Board, Engine},
    timeline::{
        bisect::{BisectError, Report, bisect},
        described::DigestSteps,
    },
    vcpu::{Surroundings, Vcpu},
};
use machines::BOARDS;

use super::{
    faults::{DeviceFault, Fault, HartFault, Mutant, Read, Write, change},
    typist::{Seen, record_on},
};

const LINES: &str = "uptime\rdate\rpeek 80000000\rdate\ruptime\rhelp\r";
const SEED: u64 = 31;

const UART: &str = "soc/uart0";
const RTC: &str = "soc/rtc";
const CLINT: &str = "soc/clint";
const PLIC: &str = "soc/plic";

/// The device misbehaves alike while it is recorded and replayed, or in the replay only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Replayed,
}

/// A fault and what a bisection has to name: a path that begins so.
type Case = (&'static str, When, Fault, &'static str);

fn host_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// A counter of the process that no machine saves.
static SHARED: AtomicU64 = AtomicU64::new(0);

const NONE: DeviceFault =
    DeviceFault { path: "", read: None, write: None, receive: None, blank: None };

const fn read(path: &'static str, read: Read) -> Fault {
    Fault::Device(DeviceFault { path, read: Some(read), ..NONE })
}

const fn write(path: &'static str, write: Write) -> Fault {
    Fault::Device(DeviceFault { path, write: Some(write), ..NONE })
}

/// Devices that depend on something outside the machine.
const HOST: &[Case] = &[
    (
        "a real-time clock that reads the host's",
        When::Always,
        read(RTC, |_, offset, value| if offset == 0 { host_ns() & 0xffff_ffff } else { value }),
        RTC,
    ),
    (
        "a timer that counts host time",
        When::Always,
        read(CLINT, |_, offset, value| if offset == 0xbff8 { host_ns() / 100 } else { value }),
        CLINT,
    ),
    (
        "a serial port whose status depends on the host's clock",
        When::Always,
        read(
            UART,
            |_, offset, value| {
                if offset == 5 { value | host_ns() >> 3 & 0x80 } else { value }
            },
        ),
        UART,
    ),
    (
        "an interrupt controller that asks a global counter",
        When::Always,
        read(PLIC, |_, _, value| {
            let count = SHARED.fetch_add(1, Ordering::Relaxed);
            if count > 60 && count.is_multiple_of(5) { 0 } else { value }
        }),
        PLIC,
    ),
    (
        "a serial port that shows a host address",
        When::Always,
        read(UART, |_, offset, value| {
            let address = std::ptr::from_ref(Box::leak(Box::new(0_u64))).addr();
            if offset == 5 { value | u64::from(address.count_ones() & 1) << 7 } else { value }
        }),
        UART,
    ),
    (
        "a serial port that asks which thread runs it",
        When::Always,
        read(UART, |_, offset, value| {
            let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1);
            if offset == 5 { value | random & 0x80 } else { value }
        }),
        UART,
    ),
];

/// State that is not saved.
const UNSAVED: &[Case] = &[
    (
        "a field of the serial port marked skip",
        When::Always,
        read(UART, |hidden, offset, value| {
            hidden.count += 1;
            if offset == 5 && hidden.count > 300 { value | 0x80 } else { value }
        }),
        UART,
    ),
    (
        "a latch of the clock marked skip",
        When::Always,
        read(RTC, |hidden, offset, value| {
            if offset == 0 {
                hidden.count += 1;
            }
            value.wrapping_add(hidden.count)
        }),
        RTC,
    ),
    (
        "a timer that counts its reads and does not save it",
        When::Always,
        read(CLINT, |hidden, _, value| {
            hidden.count += 1;
            value + hidden.count
        }),
        CLINT,
    ),
    (
        "an interrupt controller that counts and does not save it",
        When::Always,
        read(PLIC, |hidden, _, value| {
            hidden.count += 1;
            if hidden.count.is_multiple_of(10) { 0 } else { value }
        }),
        PLIC,
    ),
    (
        "a serial port that loses every tenth byte and does not save the count",
        When::Always,
        Fault::Device(DeviceFault {
            path: UART,
            receive: Some(|hidden, data| {
                hidden.count += 1;
                if hidden.count.is_multiple_of(10) { vec![b'~'] } else { data.to_vec() }
            }),
            ..NONE
        }),
        UART,
    ),
    (
        "a timer that saves nothing",
        When::Always,
        Fault::Device(DeviceFault {
            path: CLINT,
            blank: Some(|| Box::new(Aclint::new(1, 100))),
            ..NONE
        }),
        CLINT,
    ),
    (
        "a serial port that saves nothing",
        When::Always,
        Fault::Device(DeviceFault {
            path: UART,
            blank: Some(|| Box::new(Ns16550a::default())),
            ..NONE
        }),
        UART,
    ),
    (
        "an interrupt controller that saves nothing",
        When::Always,
        Fault::Device(DeviceFault { path: PLIC, blank: Some(|| Box::new(Plic::new(2))), ..NONE }),
        PLIC,
    ),
];

/// State that depends on where slices end.
const SLICES: &[Case] = &[
    (
        "a serial port that counts how often it is sampled",
        When::Always,
        read(
            UART,
            |hidden, offset, value| {
                if offset == 5 { value | hidden.samples.get() << 7 & 0x80 } else { value }
            },
        ),
        UART,
    ),
    (
        "a timer that counts how often it is sampled",
        When::Always,
        read(
            CLINT,
            |hidden, offset, value| {
                if offset == 0xbff8 { value + hidden.samples.get() } else { value }
            },
        ),
        CLINT,
    ),
];

/// Devices of the replaying build that work otherwise.
const CHANGED: &[Case] = &[
    (
        "a timer that is set one tick late",
        When::Replayed,
        write(CLINT, |_, offset, value| Some(if offset == 0x4000 { value + 1 } else { value })),
        CLINT,
    ),
    (
        "a serial port whose divisor latch is lost",
        When::Replayed,
        write(UART, |_, offset, value| (offset != 3).then_some(value)),
        UART,
    ),
    (
        "an interrupt that cannot be enabled",
        When::Replayed,
        write(PLIC, |_, offset, value| (offset != 0x2000).then_some(value)),
        PLIC,
    ),
    (
        "a serial port that turns one letter into another",
        When::Replayed,
        Fault::Device(DeviceFault {
            path: UART,
            receive: Some(|_, data| {
                data.iter().map(|b| if *b == b'e' { b'f' } else { *b }).collect()
            }),
            ..NONE
        }),
        UART,
    ),
    (
        "a clock one second ahead",
        When::Replayed,
        read(
            RTC,
            |_, offset, value| {
                if offset == 0 { (value + 1_000_000_000) & 0xffff_ffff } else { value }
            },
        ),
        "hart0",
    ),
];

const fn hart(translated: bool, at: fn(&mut dyn Vcpu, &Surroundings<'_>)) -> Fault {
    Fault::Hart(HartFault { translated, at })
}

/// A byte of the guest's stack or data is not the one that was stored.
fn flip_ram(around: &Surroundings<'_>, addr: u64) {
    let mut byte = [0];
    around.memory.read(addr, &mut byte).unwrap();
    around.memory.write(addr, &[byte[0] ^ 0x10]).unwrap();
}

/// Translated code that computes something else.
const TRANSLATED: &[Case] = &[
    (
        "a wrong bit in a register",
        When::Replayed,
        hart(true, |hart, around| {
            change(hart, around, "s11", |value| value ^ 1);
        }),
        "hart0.state.x",
    ),
    (
        "a wrong stack pointer",
        When::Replayed,
        hart(true, |hart, around| {
            change(hart, around, "sp", |value| value - 16);
        }),
        "hart0.state.x",
    ),
    (
        "an exception that is delegated",
        When::Replayed,
        hart(true, |hart, around| {
            change(hart, around, "medeleg", |value| value ^ 1 << 3);
        }),
        "hart0.state.medeleg",
    ),
    (
        "a floating-point register that is not boxed",
        When::Replayed,
        hart(true, |hart, around| {
            change(hart, around, "fa0", |value| value ^ 0xffff_ffff << 32);
        }),
        "hart0.state.f",
    ),
    (
        "a scratch register that keeps its old value",
        When::Replayed,
        hart(true, |hart, around| {
            change(hart, around, "mscratch", |value| value + 8);
        }),
        "hart0.state.mscratch",
    ),
    (
        "an instruction counted twice",
        When::Replayed,
        hart(true, |hart, around| {
            change(hart, around, "minstret", |value| value + 1);
        }),
        "hart0.state.minstret",
    ),
    (
        "an interrupt enable that is lost",
        When::Replayed,
        hart(true, |hart, around| {
            change(hart, around, "mie", |value| value & !(1 << 11));
        }),
        "hart0.state.mie",
    ),
    (
        "a store that changes a neighbour",
        When::Replayed,
        hart(true, |_, around| {
            flip_ram(around, 0x8000_0000 + (2 << 20));
        }),
        "ram",
    ),
    (
        "a line that the translated processor does not see",
        When::Replayed,
        Fault::LostLine(2),
        "hart0",
    ),
];

/// Memory and processors that change by themselves, whatever runs.
const DECAY: &[Case] = &[
    (
        "a bit of memory flips",
        When::Replayed,
        hart(false, |_, around| {
            flip_ram(around, 0x8000_0000 + (3 << 20));
        }),
        "ram",
    ),
    (
        "a page of memory is lost",
        When::Replayed,
        hart(false, |_, around| {
            around.memory.write(0x8000_0000, &[0; 64]).unwrap();
        }),
        "ram",
    ),
    (
        "a register decays",
        When::Replayed,
        hart(false, |hart, around| {
            change(hart, around, "tp", |value| value ^ 1 << 40);
        }),
        "hart0.state.x",
    ),
];

/// Engine that replays: where a fault is in the translator, the translator.
fn engine_of(fault: Fault) -> Engine {
    match fault {
        Fault::Hart(HartFault { translated: true, .. }) | Fault::LostLine(_) => Engine::Jit,
        _ => Engine::Interpreter,
    }
}

/// Digests as `--digest-every` makes them for somebody who hunts a fault.
const EVERY: DigestSteps = DigestSteps { transcript: 256, state: 512 };

fn record_finely(boards: &[&dyn Board], path: &Path, checkpoints: Option<Duration>) -> Seen {
    record_on(boards, path, SEED, LINES, Engine::Interpreter, checkpoints, EVERY)
}

/// Records a session, replays it with the fault planted and narrows what happens.
fn find(
    folder: &Path,
    number: usize,
    case: &Case,
    checkpoints: Option<Duration>,
) -> Result<Option<Report>, BisectError> {
    let (_, when, fault, _) = *case;
    let path = folder.join(format!("{number}.rec"));
    let mutant = Mutant { fault, at_steps: 0 };
    let boards = if when == When::Always { &[&mutant as &dyn Board] } else { BOARDS };
    let recorded = record_finely(boards, &path, checkpoints);
    let mutant = Mutant { fault, at_steps: recorded.moment.position.steps * 2 / 5 };
    bisect(&path, &[&mutant as &dyn Board], engine_of(fault), 1)
}

/// What bisection prints for the fault called `name`, of those in translated code.
pub(super) fn printed(name: &str) -> String {
    let case = TRANSLATED.iter().find(|case| case.0 == name).unwrap();
    let folder = tempfile::tempdir().unwrap();
    find(folder.path(), 0, case, None).unwrap().unwrap().to_string()
}

/// What is wrong with what was found, in words, and a line for the table.
fn judge(case: &str, named: &str, found: Result<Option<Report>, BisectError>) -> Option<String> {
    match found {
        Err(error) => Some(format!("{case}: {error}")),
        Ok(None) => Some(format!("{case}: not found")),
        Ok(Some(report)) if report.named().any(|name| name.starts_with(named)) => None,
        Ok(Some(report)) => Some(format!("{case}: {named} not named in\n{report}")),
    }
}

/// Records with checkpoints so much of the host's time apart.
fn all_are_found(cases: &[Case], checkpoints: Option<Duration>) {
    let folder = tempfile::tempdir().unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .enumerate()
        .filter_map(|(number, case)| {
            judge(case.0, case.3, find(folder.path(), number, case, checkpoints))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

#[test]
fn devices_that_ask_the_host_are_named() {
    all_are_found(HOST, None);
}

#[test]
fn devices_with_state_that_is_not_saved_are_named() {
    // A checkpoint wherever the machine looks up: only a restored machine can lack anything.
    all_are_found(UNSAVED, Some(Duration::ZERO));
}

#[test]
fn devices_that_notice_where_slices_end_are_named() {
    all_are_found(SLICES, None);
}

#[test]
fn devices_that_work_otherwise_than_the_recorded_ones_are_named() {
    all_are_found(CHANGED, None);
}

#[test]
fn wrong_results_of_translated_code_are_named() {
    all_are_found(TRANSLATED, None);
}

#[test]
fn memory_and_registers_that_change_by_themselves_are_named() {
    all_are_found(DECAY, None);
}

/// What is done to the records of a recording, and what has to be named.
type Forgery = (&'static str, fn(&mut Vec<Record>), &'static str);

/// Place of the `number`-th key.
fn key(records: &[Record], number: usize) -> usize {
    let keys = records.iter().enumerate().filter(|(_, r)| &*r.kind == kind::SERIAL_INPUT);
    keys.map(|(at, _)| at).nth(number).unwrap()
}

const FORGERIES: &[Forgery] = &[
    (
        "a lost key",
        |records| {
            records.remove(key(records, 12));
        },
        UART,
    ),
    (
        "a lost line end",
        |records| {
            records.remove(key(records, 4));
        },
        UART,
    ),
    (
        "a key that comes twice",
        |records| {
            let at = key(records, 7);
            let mut again = records[at].clone();
            again.position.sequence += 1;
            again.transcript = None;
            records.insert(at + 1, again);
        },
        UART,
    ),
    (
        "another key",
        |records| {
            let at = key(records, 9);
            records[at].data[0] ^= 2;
        },
        UART,
    ),
    (
        "a key three instructions late",
        |records| {
            let steps = |at: usize| records[at].position.steps;
            let has_room = |at: &usize| steps(at + 1) > steps(*at) + 3;
            let at = (11..).map(|number| key(records, number)).find(has_room).unwrap();
            records[at].position.steps += 3;
        },
        UART,
    ),
    (
        "two keys exchanged",
        |records| {
            let (one, two) = (key(records, 5), key(records, 6));
            let data = std::mem::take(&mut records[one].data);
            records[one].data = std::mem::replace(&mut records[two].data, data);
        },
        UART,
    ),
    (
        "a reset that nobody asked for",
        |records| {
            let at = key(records, 10);
            let mut reset = records[at].clone();
            (reset.kind, reset.target) = (Arc::from(kind::RESET), Arc::from(""));
            (reset.data, reset.transcript) = (Vec::new(), None);
            records.insert(at, reset);
            records[at + 1].position.sequence += 1;
        },
        "machine.reset",
    ),
    (
        "another base of the clock",
        |records| {
            let at = records.iter().position(|r| &*r.kind == kind::CLOCK_BASE).unwrap();
            records[at].data[5] ^= 1;
        },
        RTC,
    ),
    (
        "another seed",
        |records| {
            let at = records.iter().position(|r| &*r.kind == kind::SEED).unwrap();
            records[at].data[0] ^= 1;
        },
        "machine.seed",
    ),
];

#[test]
fn inputs_that_are_not_the_recorded_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.rec");
    record_finely(BOARDS, &path, None);
    let whole = Reader::open(&path).unwrap();
    let mut wrong = Vec::new();
    for (name, forge, named) in FORGERIES {
        let mut records: Vec<Record> = whole.records().unwrap().map(Result::unwrap).collect();
        forge(&mut records);
        let forged = folder.path().join("forged.rec");
        let mut writer = Writer::create(&forged, whole.description()).unwrap();
        records.iter().for_each(|record| writer.record(record).unwrap());
        writer.finish(whole.last()).unwrap();
        wrong.extend(judge(name, named, bisect(&forged, BOARDS, Engine::Interpreter, 1)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_table_of_faults_is_long_enough() {
    let count: usize =
        [HOST, UNSAVED, SLICES, CHANGED, TRANSLATED, DECAY].map(<[Case]>::len).iter().sum();
    assert!(count + FORGERIES.len() >= 40, "{count} and {} faults", FORGERIES.len());
}
