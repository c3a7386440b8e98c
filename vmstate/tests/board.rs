//! The instances of a machine: saved together, loaded together or not at all.

use board::{Board, Controller, Phase, builder};
use vmstate::container::{Snapshot, SnapshotStream};
use vmstate::instance::Instance;
use vmstate::instances::{InstanceErrors, Instances};

#[path = "fixtures/board.rs"]
mod board;

fn load(board: &mut Board, bytes: &[u8]) -> Result<(), InstanceErrors> {
    board.instances_mut().load(&Snapshot::from_slice(bytes)?)
}

#[test]
fn a_machine_comes_back_as_it_was() {
    let bytes = Board::busy().save().unwrap();
    let mut board = Board::new();
    load(&mut board, &bytes).unwrap();
    assert_eq!(board, Board::busy());
    assert_eq!(board.save().unwrap(), bytes, "save, load, save: equal bytes");
}

#[test]
fn a_machine_comes_back_from_a_stream() {
    let bytes = Board::busy().save().unwrap();
    let stream = SnapshotStream::open(bytes.as_slice()).unwrap();
    let mut board = Board::new();
    board.instances_mut().load(stream.state()).unwrap();
    assert_eq!(board, Board::busy());
}

#[test]
fn each_schema_stands_in_the_file_once() {
    let bytes = Board::busy().save().unwrap();
    let snapshot = Snapshot::from_slice(&bytes).unwrap();
    let names: Vec<_> =
        snapshot.header().schemas.iter().map(|schema| schema.type_name.as_str()).collect();
    assert_eq!(names, ["Controller", "Phase", "Port"]);
}

#[test]
fn missing_unknown_and_damaged_instances_are_all_named_at_once() {
    let source = Board::busy();
    let mut list: Instances<&dyn Instance> = Instances::new();
    list.add("soc/port0", &source.ports[0]).add("soc/gone", &source.ports[1]);
    let other = Controller { inputs: 9, ..source.controller.clone() };
    list.add("soc/plic", &other);
    let mut file = builder();
    list.save(&mut file, &|_, _| None).unwrap();
    let bytes = file.to_bytes().unwrap();
    let mut live = Board::new();
    let error = load(&mut live, &bytes).unwrap_err();
    let offset = Snapshot::from_slice(&bytes).unwrap().find("soc/plic").unwrap().extent.offset;
    let expected = format!(
        "`soc/port1` (Port) is in the machine but not in the file\n\
         section `soc/plic` at byte {offset} ({offset:#x}): `inputs`: \
         the file has 9, this machine is configured with 8\n\
         `soc/gone` (Port) is in the file but not in the machine"
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(live, Board::new(), "the live machine is as it was");
}

#[test]
fn a_refusing_post_load_leaves_the_whole_machine_as_it_was() {
    let mut source = Board::busy();
    source.ports[1].divisor = 13;
    let bytes = source.save().unwrap();
    let mut live = Board::new();
    live.ports[0].timeout = 55;
    let before = live.clone();
    let error = load(&mut live, &bytes).unwrap_err().to_string();
    assert_eq!(error, "`soc/port1`: post_load of `Port`: the divisor is unlucky");
    assert_eq!(live, before);
}

#[test]
fn a_committed_load_can_be_undone() {
    let bytes = Board::busy().save().unwrap();
    let mut live = Board::new();
    let mut list = live.instances_mut();
    let mut staged = list.stage(&Snapshot::from_slice(&bytes).unwrap()).unwrap();
    list.commit(&mut staged).unwrap();
    list.undo(&mut staged);
    assert_eq!(live, Board::new());
}

#[test]
fn blockers_and_duplicates_refuse_a_save_by_name() {
    let board = Board::new();
    let mut list: Instances<&dyn Instance> = Instances::new();
    list.add("port0", &board.ports[0]).blocked("a host socket is open");
    list.add("port0", &board.ports[1]).add("plic", &board.controller).blocked("it is on fire");
    let error = list.save(&mut builder(), &|_, _| None).unwrap_err().to_string();
    assert_eq!(
        error,
        "two instances have the path `port0`\n\
         `port0` is not migratable because a host socket is open\n\
         `plic` is not migratable because it is on fire"
    );
}

#[test]
fn a_cycle_of_dependencies_is_printed_and_nothing_is_loaded() {
    let bytes = Board::busy().save().unwrap();
    let mut board = Board::new();
    let [port0, port1] = &mut board.ports;
    let mut list: Instances<&mut dyn Instance> = Instances::new();
    list.add("soc/port0", port0).after(["soc/port1"]);
    list.add("soc/port1", port1).after(["soc/port0"]);
    list.add("soc/plic", &mut board.controller);
    let error = list.load(&Snapshot::from_slice(&bytes).unwrap()).unwrap_err().to_string();
    assert!(error.contains("soc/port0 -> soc/port1 -> soc/port0"), "{error}");
    assert_eq!(board, Board::new());
}

#[test]
fn an_older_version_is_written_where_it_can_hold_the_values() {
    let old = |_: &str, name: &str| (name == "Port").then_some(1);
    let mut board = Board::busy();
    let bytes = board.save_as(&old).unwrap();
    let snapshot = Snapshot::from_slice(&bytes).unwrap();
    assert_eq!(snapshot.find("soc/port0").unwrap().version, 1);
    let mut live = Board::new();
    load(&mut live, &bytes).unwrap();
    assert_eq!(live, board);

    board.ports[0].timeout = 10;
    board.ports[1].timeout = 11;
    let error = board.save_as(&old).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(lines[0].contains("soc/port0") && lines[0].contains("timeout"), "{error}");
    assert!(lines[1].contains("soc/port1") && lines[1].contains("11"), "{error}");
}

#[test]
fn a_section_of_an_unknown_kind_matters_only_if_it_is_needed() {
    for needed in [false, true] {
        let mut file = builder();
        Board::busy().instances().save(&mut file, &|_, _| None).unwrap();
        file.section(vmstate::container::SectionBody {
            kind: "hologram".into(),
            needed,
            path: "soc/hologram".into(),
            type_name: String::new(),
            version: 0,
            schema: [0; 16],
            bytes: b"??".to_vec(),
        });
        let loaded = load(&mut Board::new(), &file.to_bytes().unwrap());
        assert_eq!(loaded.is_ok(), !needed);
        if let Err(error) = loaded {
            let error = error.to_string();
            assert!(error.contains("section kind `hologram` is needed"), "{error}");
        }
    }
}

#[test]
fn the_committed_snapshot_of_deriving_types_loads_for_ever() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/snapshots/container-v1-board.vmstate");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, Board::busy().save().unwrap()).unwrap();
    }
    let mut board = Board::new();
    load(&mut board, &std::fs::read(path).unwrap()).unwrap();
    assert_eq!(board, Board::busy());
    assert_eq!(board.ports[1].phase, Phase::Sending { left: 300 });
}
