//! Machine versions: what differs, and what of a machine goes from one to the other.

use emulator::{
    machine::{Machine, Stop},
    snapshot::{self, Chain, SaveOptions},
};

use super::machines::{
    Keys, NEW, OLD, build, config, demo_at_prompt, load, program, run, save, seen,
};

/// A far alarm in the clock.
const SETS_ALARM: [u32; 5] = [
    0x0010_12b7, // lui t0, 0x101
    0x0050_0313, // li t1, 5
    0x0062_a623, // sw t1, 12(t0)
    0x0062_a423, // sw t1, 8(t0)
    0x0000_006f, // j .
];

/// The serial port's FIFO on, with a trigger of 14 bytes.
const SETS_TRIGGER: [u32; 4] = [
    0x1000_02b7, // lui t0, 0x10000
    0x0c10_0313, // li t1, 0xc1
    0x0062_8123, // sb t1, 2(t0)
    0x0000_006f, // j .
];

/// `menvcfg.STCE`, if there is such a bit.
const ENABLES_SSTC: [u32; 4] = [
    0x0010_0313, // li t1, 1
    0x03f3_1313, // slli t1, t1, 63
    0x30a3_2073, // csrs menvcfg, t1
    0x0000_006f, // j .
];

fn convert(machine: &Machine, to: &mut Machine) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.vmstate");
    save(machine, &path, SaveOptions::default());
    let images = Some(machine.images().to_vec());
    let own = emulator::machine::board::Config { images, ..config() };
    let mut from = build(machine.name(), &own);
    let chain = Chain::open(&path).expect("it opens");
    snapshot::convert(&chain, &mut from, to).map_err(|error| error.to_string())
}

#[test]
fn the_plain_name_means_the_newest_version() {
    assert_eq!(build("riscv64-virt", &config()).name(), NEW);
}

#[test]
fn the_device_tree_is_a_function_of_the_version() {
    let tree = |name: &str| {
        let machine = build(name, &config());
        let image = machine.images().iter().find(|image| image.name == "device tree");
        String::from_utf8_lossy(&image.expect("it has one").bytes).into_owned()
    };
    assert!(tree(NEW).contains("_sstc") && !tree(OLD).contains("_sstc"));
}

#[test]
fn the_serial_port_interrupts_below_its_trigger_only_in_1_0() {
    for (name, levels) in [(OLD, 1), (NEW, 0)] {
        let (mut machine, _) = program(name, &SETS_TRIGGER);
        run(&mut machine, &mut Keys::typing(2_000, "q"), 3_000);
        // With its interrupt enabled: `levels` asks for the line, which IER masks.
        let uart = machine.fabric().find("soc/uart0").expect("it has one");
        let device = machine.fabric_mut().device_mut(uart);
        let memory = emulator::memory::GuestMemory::at(0, 4096).expect("host memory");
        let mut effects = Vec::new();
        let mut io = emulator::device::Io::new(3_000, uart, "uart0", &memory, &mut effects);
        let registers = device.mmio().expect("it has registers");
        registers.write(&mut io, 0, 1, emulator::bus::Width::Byte, 1);
        let found = device.line_outputs().expect("it has a line").levels(3_000);
        assert_eq!(found, levels, "{name}");
    }
}

#[test]
fn the_older_machine_has_no_supervisor_timer() {
    for (name, lacks) in [(OLD, true), (NEW, false)] {
        let (machine, _) = program(name, &ENABLES_SSTC);
        let other = if lacks { NEW } else { OLD };
        let config = emulator::machine::board::Config {
            images: Some(machine.images().to_vec()),
            ..config()
        };
        let converted = convert(&machine, &mut build(other, &config));
        assert_eq!(converted.is_ok(), lacks, "{name}: {converted:?}");
    }
}

#[test]
fn a_machine_that_uses_nothing_new_becomes_the_older_one_and_finishes() {
    for (name, other) in [(NEW, OLD), (OLD, NEW)] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.vmstate");
        let machine = demo_at_prompt(name);
        let mut converted = build(other, &config());
        let changed = convert(&machine, &mut converted).expect("it can be held");
        assert_eq!(changed.len(), 1, "{changed:?}");
        assert!(changed[0].contains("hart0") && changed[0].contains("SSTC"), "{changed:?}");
        assert_eq!(converted.position(), machine.position());
        save(&converted, &path, SaveOptions { base: None, compress: true });
        let chain = Chain::open(&path).expect("it opens");
        assert_eq!(snapshot::machine_name(&chain), other);
        let sections = &chain.newest().header().sections;
        let uart = sections.iter().find(|section| section.path == "soc/uart0").expect("listed");
        assert_eq!(uart.version, if other == OLD { 1 } else { 2 });
        let mut loaded = build(other, &config());
        load(&mut loaded, &path).expect("it loads as the other version");
        assert_eq!(seen(&loaded), seen(&converted));
        let mut keys = Keys::typing(4_000_000, "poweroff 7\r");
        let stop = run(&mut loaded, &mut keys, 60_000_000);
        assert_eq!(stop, Stop::PoweredOff { code: 7 }, "{}", keys.said);
    }
}

#[test]
fn values_that_the_older_version_cannot_hold_are_refused_by_name() {
    let (alarm, images) = program(NEW, &SETS_ALARM);
    let error = convert(&alarm, &mut build(OLD, &images)).expect_err("an alarm was written");
    assert!(error.contains("soc/rtc") && error.contains("written_alarm_ns"), "{error}");

    let (mut port, images) = program(NEW, &SETS_TRIGGER);
    run(&mut port, &mut Keys::typing(2_000, "q"), 3_000);
    let error = convert(&port, &mut build(OLD, &images)).expect_err("a byte waits");
    assert!(error.contains("soc/uart0") && error.contains("timeout"), "{error}");

    let (timer, images) = program(NEW, &ENABLES_SSTC);
    let error = convert(&timer, &mut build(OLD, &images)).expect_err("it uses the timer");
    assert!(error.contains("hart0") && error.contains("SSTC"), "{error}");
}
