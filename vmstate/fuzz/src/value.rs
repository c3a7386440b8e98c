//! Decoding state: straight and through another build's schema.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use vmstate::schema::{Schema, SchemaTable};
use vmstate::{Instance, VmState};

/// Every field kind, after an evolution.
#[derive(VmState)]
#[vmstate(version = 2, name = "Subject", removed(gone: u16, until = 1, default = 3))]
pub(crate) struct Subject {
    bytes: [u8; 5],
    #[vmstate(alias("count", until = 1), convert(from = u8, until = 1, up = widen, down = narrow))]
    counter: u32,
    #[vmstate(max_len(4, 8))]
    lists: Vec<Vec<u16>>,
    #[vmstate(max_len = 4)]
    queue: VecDeque<u8>,
    #[vmstate(max_len(4, 6))]
    map: BTreeMap<u8, String>,
    #[vmstate(max_len = 4)]
    set: BTreeSet<i64>,
    #[vmstate(flags(READY = 3, ERROR = 0), former_flags(until = 1, READY = 0))]
    flags: u16,
    slots: [Option<Box<Mode>>; 3],
    wide: (u128, i128, f64, bool),
    #[vmstate(since = 2, default, subsection(needed = |s: &Subject| s.rare != 0))]
    rare: u64,
    #[vmstate(since = 2, default = 5, when = |s: &Subject| s.counter & 1 == 1)]
    odd: u16,
}

#[derive(VmState)]
#[vmstate(version = 2)]
enum Mode {
    #[vmstate(id = 1)]
    Idle,
    #[vmstate(id = 5)]
    Busy { left: u32, pair: (u8, i8) },
    #[vmstate(id = 6, since = 2)]
    Loop,
}

fn widen(value: u8) -> Result<u32, &'static str> {
    if value == 255 { Err("reserved") } else { Ok(value.into()) }
}

fn narrow(value: u32) -> Result<u8, std::num::TryFromIntError> {
    value.try_into()
}

/// The first byte chooses the writer's version, or (from 2 on) a foreign schema that precedes the value.
/// Whether the value was accepted.
pub(crate) fn fuzz(bytes: &[u8]) -> bool {
    let Some((choice, rest)) = bytes.split_first() else { return false };
    let mut live: Subject = vmstate::fresh();
    let mut table = SchemaTable::new();
    let version = u32::from(choice % 2) + 1;
    let type_ref = (&live as &dyn Instance).collect_schemas(version, &mut table);
    let mut writer = table.resolve(&type_ref).cloned();
    let mut value = rest;
    if *choice >= 2 {
        let Some((len, rest)) = rest.split_first() else { return false };
        let Some((schema, rest)) = rest.split_at_checked(usize::from(*len)) else { return false };
        let Ok(schema) = Schema::decode(schema) else { return false };
        writer = Some(schema.clone());
        // A schema that names types it lacks is refused before any value is decoded.
        if table.insert(schema).is_err() || table.verify().is_err() {
            return false;
        }
        value = rest;
    }
    let Some(writer) = writer else { return false };
    let Ok(mut staged) = live.stage(value, &writer, &table) else { return false };
    assert!(Instance::swap(&mut live, &mut staged).is_ok(), "staged by the same type");
    assert!(live.finish(&staged).is_ok(), "a plain type has agreed while it was decoded");
    let mut saved = Vec::new();
    assert!(live.save(2, &mut saved).is_ok(), "what loads can be saved");
    live.save(1, &mut Vec::new()).ok();
    true
}
