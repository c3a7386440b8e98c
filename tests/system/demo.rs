//! The demo guest.

use emulator::machine::{Stop, board::Config};

use super::{
    console::{Script, run},
    guests::machine,
};

const PROMPT: &str = "> ";

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
        // 1,000 s on the machine's own counter.
        (PROMPT, "poke 0x200bff8 0x2540be400\r"),
        (PROMPT, "uptime\r"),
        ("up 1000.", ""),
        (PROMPT, "poweroff 5\r"),
    ]);
    machine.power_on(&mut script);
    assert_eq!(run(&mut machine, &mut script, 50_000_000), Stop::PoweredOff { code: 5 });
}

#[test]
fn up_to_eight_harts_run_the_demo_guest() {
    for cpus in [2, 8] {
        let mut machine = machine(&Config { cpus, ..Config::default() });
        let mut script = Script::new(&[(PROMPT, "poweroff\r")]);
        machine.power_on(&mut script);
        let stop = run(&mut machine, &mut script, 50_000_000);
        assert_eq!(stop, Stop::PoweredOff { code: 0 });
        assert_eq!(machine.harts().len(), cpus as usize);
    }
}
