//! `when`: the file and the reader's own condition must agree on which fields there are.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use altered::altered;
use vmstate::container::{Position, Snapshot, SnapshotBuilder};
use vmstate::instances::Instances;
use vmstate::schema::{Schema, SchemaTable};
use vmstate::{Instance, VmState};

#[path = "fixtures/altered.rs"]
mod altered;

/// Wire: `fitted`, then the marker and `level`.
#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 2)]
struct Fifo {
    fitted: bool,
    #[vmstate(since = 2, default = 4, when = |fifo: &Fifo| fifo.fitted)]
    level: u8,
}

/// The condition reads a cache. Wire: the marker and `level`, then `mode`.
#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 2)]
struct Port {
    #[vmstate(skip("host side"))]
    sink: Vec<u8>,
    mode: u8,
    #[vmstate(cache(rebuild = |port: &Port| port.mode & 1 == 1))]
    fitted: bool,
    #[vmstate(since = 2, default = 4, when = |port: &Port| port.fitted)]
    level: u8,
}

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1, wired)]
struct Card {
    ports: [(u8, Port); 2],
}

const HAS: &str = "the file has the field, but by its `when` condition this state has none";
const LACKS: &str = "the file lacks the field, but by its `when` condition this state has one";

fn port(mode: u8, level: u8) -> Port {
    Port { sink: vec![9], mode, fitted: mode & 1 == 1, level }
}

/// What loading `bytes`, written under `writer`, says; the live object is as it was if it refuses.
fn load_as<T: VmState + Clone + std::fmt::Debug + PartialEq>(
    live: &mut T,
    bytes: &[u8],
    writer: &Schema,
    table: &SchemaTable,
) -> Result<(), String> {
    let before = live.clone();
    let result = live.stage(bytes, writer, table).and_then(|mut staged| {
        Instance::swap(live, &mut staged)?;
        Instance::finish(live, &staged).inspect_err(|_| {
            Instance::swap(live, &mut staged).unwrap();
            Instance::rebuild(live);
        })
    });
    if result.is_err() {
        assert_eq!(*live, before);
    }
    result.map_err(|error| error.to_string())
}

fn load<T: VmState + Clone + std::fmt::Debug + PartialEq>(
    live: &mut T,
    version: u32,
    bytes: &[u8],
) -> Result<(), String> {
    let mut table = SchemaTable::new();
    let writer = (live as &dyn Instance).collect_schemas(version, &mut table);
    table.verify().unwrap();
    load_as(live, bytes, table.resolve(&writer).unwrap(), &table)
}

#[test]
fn a_plain_type_refuses_a_field_that_its_condition_denies_or_misses() {
    let mut fifo = Fifo { fitted: true, level: 1 };
    for (bytes, expected) in [
        (&[1, 1, 7][..], Ok(Fifo { fitted: true, level: 7 })),
        (&[0, 0], Ok(Fifo { fitted: false, level: 4 })),
        (&[0, 1, 7], Err(format!("`level`: {HAS}"))),
        // Even its default: a state has one encoding.
        (&[0, 1, 4], Err(format!("`level`: {HAS}"))),
        (&[1, 0], Err(format!("`level`: {LACKS}"))),
        (&[1, 2], Err("`level`: 0x02 is neither 0 nor 1 (at byte 1)".to_owned())),
    ] {
        assert_eq!(load(&mut fifo, 2, bytes).map(|()| fifo.clone()), expected, "{bytes:?}");
    }
}

#[test]
fn a_wired_type_asks_its_condition_when_the_caches_are_rebuilt() {
    let mut live = port(0, 4);
    for (bytes, expected) in [
        (&[1, 7, 3][..], Ok(port(3, 7))),
        (&[0, 2], Ok(port(2, 4))),
        (&[1, 7, 2], Err(format!("`level`: {HAS}"))),
        (&[0, 3], Err(format!("`level`: {LACKS}"))),
    ] {
        assert_eq!(load(&mut live, 2, bytes).map(|()| live.clone()), expected, "{bytes:?}");
    }
}

#[test]
fn state_from_before_the_field_gets_its_default_whatever_the_condition_says() {
    for fitted in [false, true] {
        let mut fifo = Fifo { fitted, level: 1 };
        load(&mut fifo, 1, &[u8::from(fitted)]).unwrap();
        assert_eq!(fifo, Fifo { fitted, level: 4 });
        let mut live = port(0, 1);
        load(&mut live, 1, &[u8::from(fitted)]).unwrap();
        assert_eq!(live, port(u8::from(fitted), 4));
    }
}

#[test]
fn what_another_build_always_wrote_is_taken_if_nothing_is_lost() {
    mod always {
        #[derive(vmstate::VmState)]
        #[vmstate(version = 2)]
        pub(super) struct Fifo {
            pub(super) fitted: bool,
            pub(super) level: u8,
        }
    }
    let mut table = SchemaTable::new();
    let writer: always::Fifo = vmstate::fresh();
    let writer = (&writer as &dyn Instance).collect_schemas(2, &mut table);
    let schema = table.resolve(&writer).unwrap().clone();
    for (bytes, expected) in [
        ([1, 7], Ok(Fifo { fitted: true, level: 7 })),
        ([1, 4], Ok(Fifo { fitted: true, level: 4 })),
        ([0, 4], Ok(Fifo { fitted: false, level: 4 })),
        ([0, 7], Err(format!("`level`: {HAS}"))),
    ] {
        let mut fifo = Fifo { fitted: true, level: 1 };
        let loaded = load_as(&mut fifo, &bytes, &schema, &table).map(|()| fifo.clone());
        assert_eq!(loaded, expected, "{bytes:?}");
    }
}

#[test]
fn a_machine_names_every_instance_and_field_and_stays_as_it_was() {
    let two = |first, second| Card { ports: [(0, first), (0, second)] };
    let sources = [two(port(1, 7), port(2, 4)), two(port(2, 4), port(3, 8))];
    let mut list: Instances<&dyn Instance> = Instances::new();
    list.add("slot0", &sources[0]).add("slot1", &sources[1]);
    let mut file = SnapshotBuilder::new("", Default::default(), Position::default());
    list.save(&mut file, &|_, _| None).unwrap();
    let bytes = file.to_bytes().unwrap();

    let mut cards = [two(port(0, 4), port(0, 4)), two(port(0, 4), port(0, 4))];
    let [slot0, slot1] = &mut cards;
    let mut list: Instances<&mut dyn Instance> = Instances::new();
    list.add("slot0", slot0).add("slot1", slot1);
    list.load(&Snapshot::from_slice(&bytes).unwrap()).unwrap();
    assert_eq!(cards, sources);

    // Both ports whose level was saved no longer have one.
    let denied =
        altered(&bytes, &[("slot0", &[1, 7, 1], &[1, 7, 0]), ("slot1", &[1, 8, 3], &[1, 8, 2])]);
    let [slot0, slot1] = &mut cards;
    let mut list: Instances<&mut dyn Instance> = Instances::new();
    list.add("slot0", slot0).add("slot1", slot1);
    let error = list.load(&Snapshot::from_slice(&denied).unwrap()).unwrap_err();
    let expected =
        format!("`slot0`: `ports[0].1.level`: {HAS}\n`slot1`: `ports[1].1.level`: {HAS}");
    assert_eq!(error.to_string(), expected);
    assert_eq!(cards, sources, "as it was");
}

/// The condition hangs on configuration, which is another machine's.
#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1)]
struct Plain {
    #[vmstate(equal)]
    fitted: bool,
    #[vmstate(when = |this: &Plain| this.fitted)]
    level: u8,
}

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1)]
struct Wired {
    #[vmstate(skip("host side"))]
    sink: u8,
    #[vmstate(equal)]
    fitted: bool,
    #[vmstate(when = |this: &Wired| this.fitted)]
    level: u8,
}

#[test]
fn state_taken_under_another_configuration_agrees_with_that() {
    fn take(live: &mut dyn Instance, bytes: &[u8]) -> Result<(), String> {
        let mut table = SchemaTable::new();
        let writer = live.collect_schemas(1, &mut table);
        let taken = live.stage_adopting(bytes, table.resolve(&writer).unwrap(), &table);
        taken
            .and_then(|mut staged| live.swap(&mut staged).and_then(|()| live.finish(&staged)))
            .map_err(|error| error.to_string())
    }
    for (fitted, bytes, expected) in [
        (true, &[1, 1, 7][..], Ok(())),
        (false, &[0, 0], Ok(())),
        (false, &[1, 1, 7], Err(format!("`level`: {HAS}"))),
        (true, &[0, 0], Err(format!("`level`: {LACKS}"))),
    ] {
        assert_eq!(take(&mut Plain { fitted, level: 0 }, bytes), expected);
        assert_eq!(take(&mut Wired { sink: 0, fitted, level: 0 }, bytes), expected);
    }
}

#[test]
fn every_property_holds_with_conditions() {
    use vmstate::TypeEntry;
    vmstate::property::assert_all(&[
        TypeEntry { def: const { &Fifo::DEF }, make: || Box::new(vmstate::fresh::<Fifo>()) },
        TypeEntry { def: const { &Port::DEF }, make: || Box::new(port(0, 4)) },
        TypeEntry {
            def: const { &Card::DEF },
            make: || Box::new(Card { ports: [(0, port(0, 4)), (0, port(0, 4))] }),
        },
    ]);
}
