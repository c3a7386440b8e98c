//! Every mistake has a message that says what to write. `TRYBUILD=overwrite` blesses.
//!
//! That each message of the derive has a case is a test of `vmstate-derive`. Whole edits of a crate
//! that was released are in `outside.rs`.

use std::fs;
use std::path::Path;

/// What the cases `released_*` edit. Unedited it compiles under their lock, so what they show comes from
/// the edit.
mod released {
    use vmstate::VmState;

    #[derive(VmState)]
    #[vmstate(version = 2, lock = "tests/ui/released.lock")]
    struct Timer {
        count: u8,
        #[vmstate(since = 2, default = 9)]
        limit: u8,
    }

    #[derive(VmState)]
    #[vmstate(version = 2, lock = "tests/ui/released.lock")]
    struct Clock {
        #[vmstate(convert(from = u16, until = 1, up = from_us, down = to_us))]
        period_ns: u32,
    }

    fn from_us(us: u16) -> Result<u32, String> {
        Ok(u32::from(us) * 1000)
    }

    fn to_us(ns: u32) -> Result<u16, String> {
        u16::try_from(ns / 1000).map_err(|error| error.to_string())
    }

    #[derive(VmState)]
    #[vmstate(version = 1, lock = "tests/ui/released.lock")]
    struct Status {
        #[vmstate(flags(READY = 0, ERROR = 7))]
        bits: u8,
    }

    #[derive(VmState)]
    #[vmstate(version = 1, lock = "tests/ui/released.lock")]
    enum Mode {
        #[vmstate(id = 1)]
        Idle,
        #[vmstate(id = 2)]
        Busy { left: u8 },
    }

    const SLOTS: usize = 4;

    #[derive(VmState)]
    #[vmstate(version = 2, lock = "tests/ui/released.lock")]
    struct Bank {
        slots: [u8; SLOTS],
    }

    #[derive(VmState)]
    #[vmstate(version = 1, lock = "tests/ui/released.lock")]
    struct Fifo {
        level: u8,
    }

    #[derive(VmState)]
    #[vmstate(version = 1, lock = "tests/ui/released.lock")]
    struct Uart {
        fifo: Fifo,
    }

    #[derive(VmState)]
    #[vmstate(version = 1, lock = "tests/ui/released.lock")]
    struct Ring<T> {
        head: T,
    }

    #[test]
    fn the_lock_of_the_cases_is_what_freezing_them_writes() {
        let frozen = [
            (&Timer::DEF, 1),
            (&Timer::DEF, 2),
            (&Clock::DEF, 1),
            (&Clock::DEF, 2),
            (&Status::DEF, 1),
            (&Mode::DEF, 1),
            (&Bank::DEF, 1),
            (&Bank::DEF, 2),
            (&Fifo::DEF, 1),
            (&Uart::DEF, 1),
            (&Ring::<u32>::DEF, 1),
        ];
        let entries = frozen.map(|(def, version)| vmstate::lock::Entry::of(def, version).to_text());
        assert_eq!(entries.join("\n"), include_str!("ui/released.lock"));
    }
}

#[test]
fn every_mistake_is_explained_where_it_stands() {
    // A lock is found from the folder of the manifest, and trybuild has one of its own.
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tests/trybuild/vmstate");
    fs::create_dir_all(&project).expect("the target folder is writable");
    for lock in ["released.lock", "malformed.lock"] {
        fs::copy(cases.join(lock), project.join(lock)).expect("the target folder is writable");
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
