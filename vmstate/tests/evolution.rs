//! Three released versions of one device, each loading and saving as the others.

use vmstate::schema::SchemaTable;
use vmstate::{Instance, VmState};

mod v1 {
    #[derive(vmstate::VmState, Clone, Debug, PartialEq)]
    #[vmstate(version = 1)]
    pub(crate) struct Fifo {
        pub(crate) level: u8,
    }

    #[derive(vmstate::VmState, Clone, Debug, PartialEq)]
    #[vmstate(version = 1)]
    pub(crate) struct Uart {
        pub(crate) fcr: u8,
        pub(crate) period_us: u32,
        pub(crate) scratch: u8,
        #[vmstate(flags(READY = 0, ERROR = 1))]
        pub(crate) lsr: u8,
        pub(crate) fifos: [Fifo; 2],
        pub(crate) mode: Mode,
    }

    #[derive(vmstate::VmState, Clone, Debug, PartialEq)]
    #[vmstate(version = 1)]
    pub(crate) enum Mode {
        #[vmstate(id = 1)]
        Idle,
        #[vmstate(id = 2)]
        Send { left: u8 },
    }
}

/// `fcr` renamed, `period_us` became nanoseconds in 64 bits, `scratch` removed, `trigger` and the
/// subsection new, the flags' bits moved, the nested types a version further.
mod v2 {
    #[derive(vmstate::VmState, Clone, Debug, PartialEq)]
    #[vmstate(version = 2)]
    pub(crate) struct Fifo {
        pub(crate) level: u8,
        #[vmstate(since = 2, default = 16)]
        pub(crate) depth: u8,
    }

    #[derive(vmstate::VmState, Clone, Debug, PartialEq)]
    #[vmstate(version = 2, lock = "tests/locks/evolution.lock")]
    #[vmstate(removed(scratch: u8, until = 1, default = 0x5a))]
    pub(crate) struct Uart {
        #[vmstate(alias("fcr", until = 1))]
        pub(crate) fifo_control: u8,
        #[vmstate(convert(from = u32, until = 1, up = up, down = down), alias("period_us", until = 1))]
        pub(crate) period_ns: u64,
        #[vmstate(flags(ERROR = 0, READY = 5, BREAK = 6))]
        #[vmstate(former_flags(until = 1, READY = 0, ERROR = 1))]
        pub(crate) lsr: u8,
        pub(crate) fifos: [Fifo; 2],
        #[vmstate(since = 2, default = 14)]
        pub(crate) trigger: u8,
        #[vmstate(since = 2, default, subsection(needed = |uart: &Uart| uart.paused.is_some()))]
        pub(crate) paused: Option<u16>,
        pub(crate) mode: Mode,
    }

    #[derive(vmstate::VmState, Clone, Debug, PartialEq)]
    #[vmstate(version = 2)]
    pub(crate) enum Mode {
        #[vmstate(id = 1)]
        Idle,
        #[vmstate(id = 2)]
        Send { left: u8 },
        #[vmstate(id = 9, since = 2)]
        Loopback,
    }

    fn up(period_us: u32) -> Result<u64, &'static str> {
        Ok(u64::from(period_us) * 1000)
    }

    fn down(period_ns: u64) -> Result<u32, String> {
        if !period_ns.is_multiple_of(1000) {
            return Err("no whole number of microseconds".into());
        }
        u32::try_from(period_ns / 1000).map_err(|_| "over 71 minutes".to_owned())
    }
}

fn old() -> v1::Uart {
    v1::Uart {
        fcr: 0xc1,
        period_us: 70_000,
        scratch: 0x99,
        lsr: 0b01,
        fifos: [v1::Fifo { level: 3 }, v1::Fifo { level: 4 }],
        mode: v1::Mode::Send { left: 9 },
    }
}

fn saved(live: &dyn Instance, version: u32) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    live.save(version, &mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

/// Loads what `writer` saved as `version`, as a file would bring it.
fn load(live: &mut dyn Instance, writer: &dyn Instance, version: u32) -> Result<(), String> {
    let mut table = SchemaTable::new();
    let type_ref = writer.collect_schemas(version, &mut table);
    table.verify().map_err(|error| error.to_string())?;
    let schema = table.resolve(&type_ref).expect("it was just collected");
    let mut staged =
        live.stage(&saved(writer, version)?, schema, &table).map_err(|error| error.to_string())?;
    live.swap(&mut staged).and_then(|()| live.finish(&staged)).map_err(|error| error.to_string())
}

fn upgraded() -> v2::Uart {
    let mut live: v2::Uart = vmstate::fresh();
    load(&mut live, &old(), 1).expect("version 1 loads");
    live
}

/// The lock that version 2 is built against is what version 1 froze. `VMSTATE_FREEZE=1` writes it.
#[test]
fn the_lock_is_what_version_1_froze() {
    use vmstate::lock;
    let path =
        std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/locks/evolution.lock"));
    let types = [&v1::Fifo::DEF, &v1::Mode::DEF, &v1::Uart::DEF];
    let frozen = lock::verify_or_freeze(&types, path).expect("nothing released was changed");
    assert!(frozen.is_empty() || std::env::var_os("VMSTATE_FREEZE").is_some());
    let entries = lock::parse(&std::fs::read_to_string(path).expect("it is there"));
    let entries = entries.expect("it is well formed");
    assert_eq!(entries, types.map(|def| lock::Entry::of(def, 1)));
    let now = [lock::Entry::of(&v2::Uart::DEF, 2)];
    let findings: Vec<String> = lock::compare(&entries[2..], &[&entries[2..], &now].concat())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        findings.contains(&"fine: Uart@2.trigger: is new; older state gets 0e".to_owned()),
        "{findings:#?}"
    );
    let edited = lock::Entry { hash: String::new(), ..entries[2].clone() };
    assert_eq!(lock::compare(&entries[2..], &[edited])[0].grade, lock::Grade::Breaking);
}

#[test]
fn a_first_release_promises_every_version_that_it_writes() {
    use vmstate::lock;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let freeze = |name: &str, def| {
        lock::freeze(&[def], &folder.path().join(name)).expect("nothing released was changed")
    };
    assert_eq!(freeze("a.lock", &v2::Fifo::DEF), ["Fifo@1", "Fifo@2"]);
    assert_eq!(freeze("a.lock", &v2::Fifo::DEF), [""; 0], "frozen once and for all");
    let later = freeze("b.lock", &meaning::Later::DEF);
    assert_eq!(later, ["Clock@2", "Clock@3"], "version 1 is no longer written");
}

#[test]
fn the_lock_gives_the_old_version_its_released_shape() {
    let mut table = SchemaTable::new();
    let released = (&old() as &dyn Instance).collect_schemas(1, &mut table);
    let again = (&upgraded() as &dyn Instance).collect_schemas(1, &mut table);
    assert_eq!(released, again);
}

#[test]
fn version_1_loads_with_rename_conversion_flags_and_defaults() {
    let fifo = |level| v2::Fifo { level, depth: 16 };
    let expected = v2::Uart {
        fifo_control: 0xc1,
        period_ns: 70_000_000,
        lsr: 1 << 5,
        fifos: [fifo(3), fifo(4)],
        trigger: 14,
        paused: None,
        mode: v2::Mode::Send { left: 9 },
    };
    assert_eq!(upgraded(), expected);
}

#[test]
fn version_2_saves_as_version_1_and_back() {
    let live = upgraded();
    let mut older: v1::Uart = vmstate::fresh();
    load(&mut older, &live, 1).expect("version 1 can hold it");
    // The removed field comes back with the default it was released with, not with what the code
    // says today.
    assert_eq!(older, v1::Uart { scratch: 0, ..old() });
}

#[test]
fn what_version_1_cannot_hold_is_refused_by_name_and_value() {
    let mut live = upgraded();
    live.trigger = 8;
    assert_eq!(
        saved(&live, 1),
        Err("`trigger`: version 1 of `Uart` cannot hold 8 (0x8): it has no such field, and the \
             value is not the default"
            .into())
    );
    let mut live = upgraded();
    live.period_ns = 1500;
    assert_eq!(
        saved(&live, 1),
        Err("`period_us`: version 1 of `Uart` cannot hold 1500 (0x5dc): no whole number of \
             microseconds"
            .into())
    );
    let mut live = upgraded();
    live.fifos[1].depth = 64;
    let error = saved(&live, 1).expect_err("64 is not the default");
    assert!(error.starts_with("`fifos[1].depth`: "), "{error}");
    let mut live = upgraded();
    live.mode = v2::Mode::Loopback;
    let error = saved(&live, 1).expect_err("the variant is new");
    assert!(error.contains("variant `Loopback`"), "{error}");
    let mut live = upgraded();
    live.lsr |= 1 << 6;
    let error = saved(&live, 1).expect_err("the flag is new");
    assert!(error.starts_with("`lsr`: ") && error.contains("flag `BREAK`"), "{error}");
    assert!(saved(&upgraded(), 3).expect_err("no version 3").contains("no version 3"));
}

#[test]
fn an_older_build_loads_a_newer_file_only_while_unknown_fields_hold_their_defaults() {
    let mut older: v1::Fifo = vmstate::fresh();
    load(&mut older, &v2::Fifo { level: 5, depth: 16 }, 2).expect("depth holds its default");
    assert_eq!(older.level, 5);
    let error = load(&mut older, &v2::Fifo { level: 6, depth: 32 }, 2).expect_err("32");
    assert_eq!(
        error,
        "`depth`: this build does not know the field, and it holds 32 (0x20), not its default (at byte 0)"
    );
    assert_eq!(older.level, 5);
}

mod meaning {
    #[derive(vmstate::VmState)]
    #[vmstate(version = 1, name = "Clock")]
    pub(crate) struct Ticks {
        pub(crate) value: u64,
    }

    #[derive(vmstate::VmState)]
    #[vmstate(version = 2, name = "Clock", semantic(revision = 1, since = 1))]
    pub(crate) struct Nanoseconds {
        pub(crate) value: u64,
    }

    #[derive(vmstate::VmState)]
    #[vmstate(version = 3, min_version = 2, name = "Clock")]
    pub(crate) struct Later {
        pub(crate) value: u64,
    }
}

#[test]
fn equal_shapes_of_another_meaning_are_refused() {
    let error = load(&mut meaning::Nanoseconds { value: 0 }, &meaning::Ticks { value: 1 }, 1);
    let error = error.expect_err("the revision differs");
    assert_eq!(error, "`Clock` has semantic revision 0 in the file, 1 in this build");
}

#[test]
fn versions_below_the_oldest_loadable_are_refused() {
    let error = load(&mut meaning::Later { value: 0 }, &meaning::Ticks { value: 1 }, 1);
    let error = error.expect_err("version 1 is no longer supported");
    assert_eq!(error, "version 1 of `Clock` is older than the oldest loadable one, 2");
}

#[test]
fn every_property_holds_for_both_versions() {
    use vmstate::TypeEntry;
    fn entry<T: VmState + vmstate::Value + 'static>() -> TypeEntry {
        TypeEntry { def: const { &T::DEF }, make: || Box::new(vmstate::fresh::<T>()) }
    }
    vmstate::property::assert_all(&[entry::<v1::Uart>(), entry::<v2::Uart>(), entry::<v2::Fifo>()]);
}
