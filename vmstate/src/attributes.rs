//! The words of `#[vmstate(..)]`, each with an example that is run as a test.
//!
//! # On a type
//!
//! `version = N` (required), `name = ".."` (the stable name, if it differs from the Rust one, for
//! instance after the Rust type was renamed), `min_version = N` (older ones are refused), `crate = path`:
//!
//! ```
//! # extern crate vmstate as state;
//! #[derive(state::VmState)]
//! #[vmstate(version = 3, min_version = 2, name = "ns16550", crate = ::state)]
//! struct Uart {
//!     divisor: u16,
//! }
//! assert_eq!(<Uart as state::VmState>::DEF.full_name(), "ns16550");
//! ```
//!
//! `removed(field: Type, since, until, default)`: a field that left the struct; it is still read from old
//! state, and written with its default. It keeps the `max_len`, `flags`, `alias` and `convert` that it had:
//!
//! ```
//! use vmstate::{Instance, VmState};
//!
//! #[derive(VmState)]
//! #[vmstate(version = 2, removed(scratch: u8, until = 1, default = 0x5a))]
//! struct Uart {
//!     divisor: u8,
//! }
//! let mut old = Vec::new();
//! Uart { divisor: 3 }.save(1, &mut old).expect("version 1 can hold it");
//! assert_eq!(old, [3, 0x5a]);
//! ```
//!
//! `semantic(revision, since)`: the shape is the same, the meaning is not; state of another revision is
//! refused. For one field, use `convert` with equal types.
//!
//! ```
//! #[derive(vmstate::VmState)]
//! #[vmstate(version = 2, semantic(revision = 1, since = 2))]
//! struct Timer {
//!     /// Counts up since version 2; it counted down before.
//!     count: u32,
//! }
//! # assert_eq!(<Timer as vmstate::VmState>::DEF.semantic_in(1), 0);
//! ```
//!
//! `pre_save = path` may refuse a save, `post_load = path` fixes up or refuses a load; both see only this
//! object. `wired`: the struct holds a deriving struct that has `skip` or `cache` fields:
//!
//! ```
//! use vmstate::{Instance, VmState};
//!
//! #[derive(VmState)]
//! #[vmstate(version = 1, pre_save = Disk::idle, post_load = Disk::check)]
//! struct Disk {
//!     #[vmstate(skip("host side"))]
//!     in_flight: u32,
//!     sectors: u64,
//! }
//!
//! impl Disk {
//!     fn idle(&self) -> Result<(), String> {
//!         if self.in_flight == 0 { Ok(()) } else { Err("requests are in flight".to_owned()) }
//!     }
//!     fn check(&mut self) -> Result<(), &'static str> {
//!         if self.sectors < 1 << 32 { Ok(()) } else { Err("larger than this model") }
//!     }
//! }
//!
//! #[derive(VmState)]
//! #[vmstate(version = 1, wired)]
//! struct Bay {
//!     disk: Disk,
//! }
//!
//! let bay = Bay { disk: Disk { in_flight: 1, sectors: 0 } };
//! let error = bay.save(1, &mut Vec::new()).expect_err("it refuses");
//! assert_eq!(error.to_string(), "`disk`: pre_save of `Disk`: requests are in flight");
//! ```
//!
//! `lock = "path"`: another lock than `vmstate.lock`, relative to the manifest.
//!
//! ```
//! #[derive(vmstate::VmState)]
//! #[vmstate(version = 1, lock = "tests/locks/evolution.lock")]
//! struct Fifo {
//!     level: u8,
//! }
//! assert_eq!(<Fifo as vmstate::VmState>::DEF.released.len(), 1);
//! ```
//!
//! # On a field
//!
//! `default = expr`, or `default` for the type's `Default`: after reset, and for state from before the
//! field. Its encoded bytes are frozen with the schema. `since = N`: the first version with the field.
//! Where the field is a struct with wiring or configuration of its own, only its state is taken from the
//! default.
//!
//! ```
//! #[derive(vmstate::VmState)]
//! #[vmstate(version = 2)]
//! struct Uart {
//!     #[vmstate(default = 3)]
//!     divisor: u16,
//!     #[vmstate(since = 2, default)]
//!     pending: Option<u8>,
//! }
//! let uart: Uart = vmstate::fresh();
//! assert_eq!((uart.divisor, uart.pending), (3, None));
//! ```
//!
//! `alias("old", until = N)`: the name up to version N. `convert(from, until, up, down)`: the type, or the
//! meaning, up to version N; both ways may refuse. Several stand oldest first.
//!
//! ```
//! #[derive(vmstate::VmState)]
//! #[vmstate(version = 3)]
//! struct Timer {
//!     #[vmstate(alias("period", until = 1))]
//!     #[vmstate(convert(from = u16, until = 2, up = widen, down = narrow))]
//!     period_ns: u64,
//! }
//! fn widen(old: u16) -> Result<u64, String> {
//!     Ok(old.into())
//! }
//! fn narrow(new: u64) -> Result<u16, std::num::TryFromIntError> {
//!     new.try_into()
//! }
//! # let _: Timer = vmstate::fresh();
//! ```
//!
//! `flags(NAME = bit)`: an integer saved by the names of its bits. `former_flags(until, NAME = bit)`: where
//! they stood up to version N. A type of the crate `bitflags` becomes a field by
//! [`bitflags_fields!`](crate::bitflags_fields), and is saved by name, too.
//!
//! ```
//! use vmstate::{Instance, VmState};
//!
//! #[derive(VmState)]
//! #[vmstate(version = 2)]
//! struct Status {
//!     #[vmstate(flags(READY = 4, ERROR = 0), former_flags(until = 1, READY = 0))]
//!     bits: u8,
//! }
//! let mut old = Vec::new();
//! Status { bits: 1 << 4 }.save(1, &mut old).expect("READY existed");
//! assert_eq!(old, [1 << 0]);
//! ```
//!
//! `when = path` and `subsection(needed = path)`: written only while the condition on the object holds;
//! absent, it loads as its default. `when` is for fields without meaning in some configurations: where
//! the state is loaded, the condition must say what it said where it was saved, or the load
//! is refused and names the field; state of a version before the field gets the default either
//! way. `subsection` is for rare state, so that state without it stays loadable by older builds; one that
//! is there is loaded, whatever the condition says.
//!
//! ```
//! use vmstate::{Instance, VmState};
//!
//! #[derive(VmState)]
//! #[vmstate(version = 1)]
//! struct Uart {
//!     has_fifo: bool,
//!     #[vmstate(when = |uart: &Uart| uart.has_fifo)]
//!     fifo_level: u8,
//!     #[vmstate(subsection(needed = |uart: &Uart| uart.break_ns != 0))]
//!     break_ns: u64,
//! }
//! let mut bytes = Vec::new();
//! Uart { has_fifo: true, fifo_level: 7, break_ns: 0 }.save(1, &mut bytes).expect("valid");
//! assert_eq!(bytes, [0, 1, 7, 1]);
//!
//! let mut uart: Uart = vmstate::fresh();
//! let error = uart.stage_newest(&[0, 1, 7, 0]).expect_err("no FIFO, but a level");
//! assert_eq!(
//!     error.to_string(),
//!     "`fifo_level`: the file has the field, but by its `when` condition this state has none"
//! );
//! ```
//!
//! `equal`: configuration; it must be the same where the state is loaded, and reset leaves it alone.
//! `validate = path`: a function from `&T` to `Result<(), impl Display>`. `max_len = N`, or
//! `max_len(outer, inner)`: the most elements that a file can make a container hold.
//!
//! ```
//! use std::collections::VecDeque;
//!
//! #[derive(vmstate::VmState)]
//! #[vmstate(version = 1)]
//! struct Uart {
//!     #[vmstate(equal)]
//!     clock_hz: u32,
//!     #[vmstate(validate = |bits: &u8| if *bits <= 8 { Ok(()) } else { Err("over 8 bits") })]
//!     word_bits: u8,
//!     #[vmstate(max_len = 16)]
//!     fifo: VecDeque<u8>,
//!     #[vmstate(max_len(4, 64))]
//!     lines: Vec<String>,
//! }
//! # let _: Uart = vmstate::fresh();
//! ```
//!
//! `skip("why")`: no state. `cache(rebuild = path)`: recomputed from the state after each load by a function
//! from `&Self` to the field's type.
//!
//! ```
//! use vmstate::{Instance, VmState};
//!
//! #[derive(VmState)]
//! #[vmstate(version = 1)]
//! struct Plic {
//!     #[vmstate(skip("wiring"))]
//!     sink: Vec<bool>,
//!     pending: u32,
//!     enabled: u32,
//!     #[vmstate(cache(rebuild = |plic: &Plic| plic.pending & plic.enabled))]
//!     active: u32,
//! }
//! let mut plic = Plic { sink: vec![], pending: 6, enabled: 3, active: 0 };
//! plic.rebuild();
//! assert_eq!(plic.active, 2);
//! ```
//!
//! # On a variant
//!
//! `id = N` (required; what stands in the file), `name = ".."`, `since = N`, `default` (else the first is the
//! default):
//!
//! ```
//! #[derive(vmstate::VmState, Debug, PartialEq)]
//! #[vmstate(version = 2)]
//! enum Mode {
//!     #[vmstate(id = 4)]
//!     Busy { left: u8 },
//!     #[vmstate(id = 1, default, name = "Quiet")]
//!     Idle,
//!     #[vmstate(id = 2, since = 2)]
//!     Loopback,
//! }
//! assert_eq!(vmstate::fresh::<Mode>(), Mode::Idle);
//! ```
