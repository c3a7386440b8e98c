//! The demo guest.

use emulator::{
    clock::Position,
    machine::{Stop, board::Config},
};

use super::{
    console::{Script, run},
    guests::machine,
};

const PROMPT: &str = "> ";

/// Where every hart starts.
const RESET_VECTOR: u64 = 0x1000;

#[test]
fn the_demo_guest_answers_its_commands_and_ends_with_its_code() {
    let mut machine = machine(&Config::default());
    let mut script = Script::new(&[
        (PROMPT, "help\r"),
        ("poweroff", ""),
        (PROMPT, "date\r"),
        ("2023-11-14 22:13:20 UTC", ""),
        (PROMPT, "uptime\r"),
        ("up 0.", ""),
        (PROMPT, "poweroff 5\r"),
    ]);
    machine.power_on(&mut script);
    assert_eq!(run(&mut machine, &mut script, 50_000_000), Stop::PoweredOff { code: 5 });
}

#[test]
fn every_reboot_starts_from_the_same_state() {
    let mut machine = machine(&Config::default());
    let mut script = Script::new(&[(PROMPT, "")]);
    machine.power_on(&mut script);
    let first = saved(&machine);
    for reboot in 1..=20 {
        let before = machine.position();
        let mut script = Script::new(&[(PROMPT, "reboot\r")]);
        // Step by step up to the first instruction after the reset.
        loop {
            let Position { steps, idle_ns, .. } = machine.position();
            let until = Position { steps: steps + 1, idle_ns, sequence: 0 };
            assert_eq!(machine.run(&mut script, until), Stop::Until, "reboot {reboot}");
            assert!(steps < before.steps + 5_000_000, "reboot {reboot} does not come");
            if machine.harts()[0].inspect().pc() == RESET_VECTOR {
                break;
            }
        }
        assert_eq!(saved(&machine), first, "reboot {reboot}");
    }
}

/// Everything that a reset brings to its defaults, saved: devices, and the registers of the harts.
fn saved(machine: &emulator::machine::Machine) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (path, instance) in machine.fabric().instances() {
        let mut bytes = Vec::new();
        instance.save(instance.version(), &mut bytes).expect(path);
        all.push(bytes);
    }
    for hart in machine.harts() {
        let inspect = hart.inspect();
        // Virtual time goes on through a reset.
        let registers = inspect.architecture().registers().enumerate();
        let kept = registers.filter(|(_, register)| register.name != "time");
        let values = kept.filter_map(|(index, _)| inspect.read_register(index, machine.clock()));
        all.push(values.flat_map(u128::to_le_bytes).collect());
    }
    all
}
