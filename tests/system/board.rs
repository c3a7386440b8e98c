//! The board's device tree, and what a configuration that cannot be used is told.

use std::{path::Path, process::Command};

use emulator::machine::board::{self, Config};

fn build(config: &Config) -> Result<board::Built, board::BuildError> {
    let (board, version) = board::find(machines::BOARDS, "riscv64-virt").expect("it is listed");
    board.build(version, config)
}

#[test]
fn dtc_reads_the_device_tree_without_complaint() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("board.dtb");
    let built = build(&Config { cpus: 4, ..Config::default() }).expect("it can be built");
    std::fs::write(&path, &built.device_tree).expect("it is written");
    let output = Command::new("dtc")
        .args(["-I", "dtb", "-O", "dts"])
        .arg(&path)
        .output()
        .expect("dtc is installed (scripts/setup)");
    let source = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    for line in [
        "cpu@3 {",
        "timebase-frequency = <0x989680>;",
        "serial@10000000 {",
        "virtio_mmio@10001000 {",
        "virtio_mmio@10008000 {",
        "compatible = \"ns16550a\";",
        "plic@c000000 {",
        "compatible = \"syscon-poweroff\";",
        "reg = <0x00 0x80000000 0x00 0x20000000>;",
    ] {
        assert!(source.contains(line), "{line}\n{source}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_told_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("board.dtb");
    let built = build(&Config::default()).expect("it can be built");
    std::fs::write(&tree, &built.device_tree).expect("it is written");
    let kernel = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("machines/guests/demo.elf"));
    for (config, message) in [
        (Config { cpus: 0, ..Config::default() }, "--cpus 0: riscv64-virt takes 1 to 8"),
        (Config { cpus: 9, ..Config::default() }, "--cpus 9: riscv64-virt takes 1 to 8"),
        (Config { memory_bytes: 1 << 20, ..Config::default() }, "takes 16M to 64G"),
        (Config { append: "quiet".into(), ..Config::default() }, "--append has no effect without"),
        (Config { initrd: kernel.clone(), ..Config::default() }, "--initrd has no effect without"),
        (Config { bios: Some("none".into()), ..Config::default() }, "no effect without --kernel"),
        (
            Config { kernel, append: "quiet".into(), dtb: Some(tree), ..Config::default() },
            "--append has no effect beside --dtb",
        ),
    ] {
        let error = build(&config).map(|_| ()).expect_err(message).to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// What the program prints for `arguments`.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_emulator")).args(arguments).output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_board_is_listed_with_its_versions_and_devices() {
    let text = printed(&["machines"]);
    let json: serde_json::Value =
        serde_json::from_str(&printed(&["machines", "--json"])).expect("JSON");
    for (number, board) in machines::BOARDS.iter().enumerate() {
        let listing = &json[number];
        assert_eq!(listing["name"], board.name());
        assert!(text.contains(&format!("{}: {}\n", board.name(), board.about())), "{text}");
        for (number, version) in board.versions().iter().enumerate() {
            assert_eq!(listing["versions"][number]["version"], version.version);
            let name = format!("{}@{}", board.name(), version.version);
            assert!(text.contains(&name), "{name}\n{text}");
        }
        let version = board.versions().last().expect("a board has a version");
        let built = board.build(version, &Config::default()).expect("it can be built");
        let fabric = built.machine.fabric();
        for mapping in fabric.mappings() {
            let (path, model) =
                (fabric.path(mapping.device), fabric.device(mapping.device).model());
            let place = format!("{:#012x}..", mapping.base);
            let line = text.lines().find(|line| line.contains(&place)).expect(path);
            assert!(line.contains(path) && line.contains(model), "{path} {model}: {line}");
        }
    }
}

#[test]
fn the_device_tree_is_written_to_a_file_and_nothing_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("board.dtb");
    let path = path.to_str().expect("a plain path");
    assert_eq!(printed(&["--cpus", "2", "--dump-dtb", path]), "");
    let written = std::fs::read(path).expect("it is there");
    let built = build(&Config { cpus: 2, ..Config::default() }).expect("it can be built");
    assert_eq!(written, built.device_tree);
}
