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
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "not a kernel").expect("it is written");
    let host = Path::new("/proc/self/exe").to_path_buf();
    for (config, message) in [
        (Config { cpus: 9, ..Config::default() }, "--cpus 9: riscv64-virt takes 1 to 8"),
        (Config { memory_bytes: 1 << 20, ..Config::default() }, "takes 16M to 64G"),
        (Config { append: "quiet".into(), ..Config::default() }, "--append has no effect without"),
        (
            Config { kernel: Some(text.clone()), ..Config::default() },
            "neither a Linux Image nor ELF",
        ),
        (Config { bios: Some(host), ..Config::default() }, "ELF executable for RISC-V"),
        (Config { dtb: Some(text), ..Config::default() }, "no device tree blob"),
        (
            Config { bios: Some("/nowhere/fw.bin".into()), ..Config::default() },
            "firmware /nowhere/fw.bin: cannot be read",
        ),
    ] {
        let error = build(&config).map(|_| ()).expect_err(message).to_string();
        assert!(error.contains(message), "{error}");
    }
}
