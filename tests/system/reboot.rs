//! A reset leads to the state of power-on, however often and whoever asks for it.

use emulator::{
    door::kind,
    machine::{
        Machine, Stop,
        board::{Config, Engine},
    },
};

use super::{
    console::{Script, run, run_to_reset},
    digest::{digest, reset_differences},
    guests::{linux, machine},
};

const PROMPT: &str = "> ";

/// A demo machine, switched on.
fn demo(cpus: u32, engine: Engine) -> Machine {
    let mut machine = machine(&Config { cpus, engine, ..Config::default() });
    machine.power_on(&mut Script::new(&[]));
    machine
}

#[test]
fn twenty_reboots_by_the_guest_give_twenty_equal_states() {
    for engine in [Engine::Interpreter, Engine::Jit] {
        let mut machine = demo(1, engine);
        let first = digest(&machine);
        for reboot in 1..=20 {
            run_to_reset(&mut machine, &[(PROMPT, "reboot\r")]);
            assert_eq!(reset_differences(&digest(&machine), &first), [""; 0], "reboot {reboot}");
        }
    }
}

#[test]
fn twenty_resets_by_the_operator_anywhere_give_twenty_equal_states() {
    for (cpus, engine) in [(1, Engine::Interpreter), (4, Engine::Jit)] {
        let mut machine = demo(cpus, engine);
        let first = digest(&machine);
        for reset in 1..=20_u64 {
            // Anywhere: within the boot, and at the prompt with a timer under way.
            let mut position = machine.position();
            position.steps += 1 + reset * reset * 97;
            assert_eq!(machine.run(&mut Script::new(&[]), position), Stop::Until);
            let mut door = Script::pressing(kind::RESET);
            position = machine.position();
            position.sequence += 1;
            assert_eq!(machine.run(&mut door, position), Stop::Until);
            assert_eq!(reset_differences(&digest(&machine), &first), [""; 0], "reset {reset}");
        }
    }
}

#[test]
fn linux_finds_sstc_and_the_empty_slots_and_its_reboot_leads_to_the_state_of_power_on() {
    let mut machine = machine(&linux(2));
    let count =
        "insmod /lib/modules/virtio_mmio.ko && ls /sys/bus/platform/devices | grep -c virtio\r";
    let mut script = Script::new(&[
        ("Timer interrupt in S-mode is available via sstc", ""),
        ("guest# ", count),
        ("\n8\r\n", ""),
        ("guest# ", "reboot -f\r"),
        ("reboot: Restarting", ""),
    ]);
    machine.power_on(&mut script);
    let first = digest(&machine);
    run(&mut machine, &mut script.leaving(), 10_000_000_000);
    run_to_reset(&mut machine, &[]);
    assert_eq!(reset_differences(&digest(&machine), &first), [""; 0]);
}
