//! Where the guests are, and machines that run them.

use std::path::PathBuf;

use emulator::machine::{
    Machine,
    board::{self, Config},
};

/// A file of the Linux guests.
pub(crate) fn file(name: &str) -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/target/guests");
    let folder = std::env::var_os("GUEST_DIR").map_or_else(|| default.into(), PathBuf::from);
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: run scripts/fetch-guests", path.display());
    path
}

/// The newest `riscv64-virt`.
pub(crate) fn machine(config: &Config) -> Machine {
    let (board, version) = board::find(machines::BOARDS, "riscv64-virt").expect("it is listed");
    board.build(version, config).expect("it can be built").machine
}

/// Debian's kernel with the busybox initial file system.
pub(crate) fn linux(cpus: u32) -> Config {
    Config {
        cpus,
        bios: Some(file("fw_dynamic.bin")),
        kernel: Some(file("Image")),
        initrd: Some(file("initrd.gz")),
        append: "console=ttyS0".into(),
        ..Config::default()
    }
}
