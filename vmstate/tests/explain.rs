//! `Instances::explain`: every reason why a file would not load, of every instance and field.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use altered::altered;
use vmstate::VmState;
use vmstate::container::{Position, Snapshot, SnapshotBuilder};
use vmstate::instance::Instance;
use vmstate::instances::Instances;

#[path = "fixtures/altered.rs"]
mod altered;

fn even(value: &u8) -> Result<(), String> {
    if value.is_multiple_of(2) { Ok(()) } else { Err(format!("{value} is odd")) }
}

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1, post_load = Self::after)]
struct Queue {
    #[vmstate(validate = even)]
    head: u8,
    #[vmstate(max_len = 4)]
    items: Vec<u8>,
}

impl Queue {
    fn after(&mut self) -> Result<(), &'static str> {
        if self.items.len() < 4 { Ok(()) } else { Err("it is full") }
    }
}

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1)]
struct Disk {
    #[vmstate(skip("host side"))]
    file: String,
    #[vmstate(equal)]
    blocks: u16,
    #[vmstate(equal)]
    is_removable: bool,
    queues: [Queue; 3],
    pair: (u8, Option<Queue>),
    #[vmstate(when = |disk: &Disk| disk.is_removable)]
    slot: u8,
    #[vmstate(cache(rebuild = |disk: &Disk| u32::from(disk.blocks) * 512))]
    bytes: u32,
}

fn disk() -> Disk {
    let queue = Queue { head: 2, items: vec![] };
    let queues = [queue.clone(), queue.clone(), queue.clone()];
    let file = "disk.img".to_owned();
    let pair = (7, Some(queue));
    Disk { file, blocks: 9, is_removable: true, queues, pair, slot: 3, bytes: 9 * 512 }
}

fn saved(list: &Instances<&dyn Instance>) -> Vec<u8> {
    let mut file = SnapshotBuilder::new("", Default::default(), Position::default());
    list.save(&mut file, &|_, _| None).unwrap();
    file.to_bytes().unwrap()
}

/// The reasons without the sections' offsets.
fn reasons(list: &mut Instances<&mut dyn Instance>, bytes: &[u8]) -> Vec<String> {
    let Err(errors) = list.explain(&Snapshot::from_slice(bytes).unwrap()) else { return vec![] };
    let text = errors.to_string();
    text.lines()
        .map(|line| match line.split_once(" at byte ") {
            Some((section, rest)) => {
                format!("{section}: {}", rest.split_once("): ").map_or(rest, |rest| rest.1))
            }
            None => line.to_owned(),
        })
        .collect()
}

/// What stands against loading `bytes` into the one instance `live`, which stays as it was.
fn reasons_of_one<T: Instance + Clone + std::fmt::Debug + PartialEq>(
    live: &T,
    bytes: &[u8],
) -> Vec<String> {
    let mut target = live.clone();
    let mut list: Instances<&mut dyn Instance> = Instances::new();
    list.add("disk0", &mut target);
    let found = reasons(&mut list, bytes);
    assert_eq!(target, *live);
    found
}

/// The file of one instance.
fn saved_one(source: &dyn Instance) -> Vec<u8> {
    let mut list: Instances<&dyn Instance> = Instances::new();
    list.add("disk0", source);
    saved(&list)
}

#[test]
fn what_would_load_has_no_reasons_and_nothing_changes() {
    let source = Disk { slot: 5, ..disk() };
    let bytes = saved_one(&source);
    assert_eq!(reasons_of_one(&disk(), &bytes), [""; 0]);
}

#[test]
fn every_field_of_every_instance_is_named_and_hooks_are_asked() {
    let mut bad = disk();
    bad.blocks = 10;
    bad.queues[0].head = 1;
    bad.queues[1].items = vec![1, 2, 3, 4];
    bad.queues[2].head = 5;
    bad.pair.1 = Some(Queue { head: 3, items: vec![] });
    let full = |at: usize| {
        let mut disk = disk();
        disk.queues[at].items = vec![1, 2, 3, 4];
        disk.pair.1 = Some(Queue { head: 0, items: vec![1, 2, 3, 4] });
        disk
    };
    let (first, second) = (full(0), full(2));
    let mut list: Instances<&dyn Instance> = Instances::new();
    list.add("bad", &bad).add("gone", &bad).add("first", &first).add("second", &second);
    let bytes = saved(&list);

    let mut live = [disk(), disk(), disk(), disk()];
    let [a, b, c, d] = &mut live;
    let mut list: Instances<&mut dyn Instance> = Instances::new();
    list.add("bad", a).add("first", b).add("second", c).add("new", d);
    let expected = [
        "`new` (Disk) is in the machine but not in the file",
        "section `bad`: `pair.1.head`: 3 is odd",
        "section `bad`: `queues[0].head`: 1 is odd",
        "section `bad`: `queues[2].head`: 5 is odd",
        "section `bad`: `blocks`: the file has 10, this machine is configured with 9",
        "`bad`: `queues[1]`: post_load of `Queue`: it is full",
        "`first`: `pair.1[0]`: post_load of `Queue`: it is full",
        "`first`: `queues[0]`: post_load of `Queue`: it is full",
        "`second`: `pair.1[0]`: post_load of `Queue`: it is full",
        "`second`: `queues[2]`: post_load of `Queue`: it is full",
        "`gone` (Disk) is in the file but not in the machine",
    ];
    assert_eq!(reasons(&mut list, &bytes), expected);
    assert!(live.iter().all(|live| *live == disk()), "as it was");
}

#[test]
fn what_rests_on_a_hidden_field_is_not_said() {
    // Not removable in the file, so no slot: the one reason is the configuration.
    let source = Disk { is_removable: false, slot: 0, ..disk() };
    let bytes = saved_one(&source);
    let expected = "section `disk0`: `is_removable`: the file has false, this machine is configured \
                    with true";
    assert_eq!(reasons_of_one(&disk(), &bytes), [expected]);
}

mod other {
    /// Another build's `Disk`.
    #[derive(vmstate::VmState)]
    #[vmstate(version = 2, name = "Disk")]
    pub(super) struct Disk {
        /// Of another kind.
        pub(super) blocks: u64,
        /// Of another kind.
        pub(super) is_removable: u8,
        #[vmstate(max_len = 9)]
        pub(super) items: Vec<u16>,
        /// Unknown there, not at its default.
        #[vmstate(since = 2, default = 1)]
        pub(super) turbo: u8,
        #[vmstate(flags(READY = 0, STUCK = 3))]
        pub(super) status: u8,
        pub(super) phases: [Phase; 2],
        pub(super) level: u8,
    }

    #[derive(vmstate::VmState, Clone)]
    #[vmstate(version = 2)]
    pub(super) enum Phase {
        #[vmstate(id = 0)]
        Idle,
        #[vmstate(id = 1)]
        Spinning,
    }
}

mod ours {
    #[derive(vmstate::VmState, Clone, Debug, PartialEq)]
    #[vmstate(version = 2, name = "Disk")]
    pub(super) struct Disk {
        pub(super) blocks: u16,
        pub(super) is_removable: bool,
        #[vmstate(max_len = 2)]
        pub(super) items: Vec<u16>,
        #[vmstate(flags(READY = 1))]
        pub(super) status: u8,
        pub(super) phases: [Phase; 2],
        #[vmstate(validate = super::even)]
        pub(super) level: u8,
    }

    #[derive(vmstate::VmState, Clone, Copy, Debug, PartialEq)]
    #[vmstate(version = 1)]
    pub(super) enum Phase {
        #[vmstate(id = 0)]
        Idle,
    }
}

#[test]
fn another_builds_shape_and_values_are_judged_together() {
    let source = other::Disk {
        blocks: 1,
        is_removable: 1,
        items: vec![1, 2, 3],
        turbo: 3,
        status: 1 << 3,
        phases: [other::Phase::Idle, other::Phase::Spinning],
        level: 7,
    };
    let bytes = saved_one(&source);
    let live = ours::Disk {
        blocks: 0,
        is_removable: false,
        items: vec![],
        status: 0,
        phases: [ours::Phase::Idle; 2],
        level: 0,
    };
    let expected = [
        "section `disk0`: `blocks`: the file holds u64, this build expects u16; no `convert` leads there",
        "section `disk0`: `is_removable`: the file holds u8, this build expects bool; no `convert` leads \
         there",
        "section `disk0`: `turbo`: this build does not know the field, and it holds 3 (0x3), not its \
         default",
        "section `disk0`: `phases[1]`: variant `Spinning` of `Phase` is unknown to this build",
        "section `disk0`: `status`: flag `STUCK` is set, and this build does not know it",
        "section `disk0`: `items`: 3 elements exceed the declared maximum of 2",
        "section `disk0`: `level`: 7 is odd",
    ];
    assert_eq!(reasons_of_one(&live, &bytes), expected);
}

#[test]
fn behind_damage_there_is_one_reason() {
    let source = disk();
    // `is_removable` is neither 0 nor 1, and a head is odd.
    let bytes =
        altered(&saved_one(&source), &[("disk0", &[9, 1], &[9, 7]), ("disk0", &[2, 0], &[1, 0])]);
    let expected = "section `disk0`: `is_removable`: 0x07 is neither 0 nor 1";
    assert_eq!(reasons_of_one(&disk(), &bytes), [expected]);
}
