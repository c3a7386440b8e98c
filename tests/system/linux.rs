//! OpenSBI and Debian's kernel.

use emulator::machine::{
    Stop,
    board::{Config, Engine},
};

use super::{
    console::{Script, Step, run},
    guests::{file, linux, machine},
};

const SHELL: &[Step] = &[
    ("guest ready: riscv64", ""),
    ("guest# ", "echo $((6 * 7)); uname -sm\r"),
    ("42", ""),
    ("Linux riscv64", ""),
    ("guest# ", "poweroff -f\r"),
];

/// More than a boot takes, so that a guest that hangs is noticed.
const BOOT_STEPS: u64 = 10_000_000_000;

fn boots(cpus: u32, engine: Engine) -> (u64, u64) {
    let mut machine = machine(&Config { engine, ..linux(cpus) });
    let mut script = Script::new(SHELL);
    machine.power_on(&mut script);
    let stop = run(&mut machine, &mut script, BOOT_STEPS);
    assert_eq!(stop, Stop::PoweredOff { code: 0 });
    let processors = format!("{cpus} processors");
    assert!(script.said.contains(&processors), "{processors}");
    (machine.position().steps, machine.moment().transcript)
}

#[test]
fn debian_boots_to_a_prompt_and_switches_off_alike_in_both_engines() {
    let interpreter = boots(1, Engine::Interpreter);
    let translator = boots(1, Engine::Auto);
    assert_eq!(interpreter, translator, "steps and transcript");
}

#[test]
fn debian_boots_on_four_harts_alike_in_both_engines() {
    let interpreter = boots(4, Engine::Interpreter);
    let translator = boots(4, Engine::Auto);
    assert_eq!(interpreter, translator, "steps and transcript");
}

#[test]
fn the_debian_installer_reaches_its_first_screen() {
    let mut machine = machine(&Config { initrd: Some(file("installer-initrd.gz")), ..linux(1) });
    let mut script = Script::new(&[("Select a language", "")]);
    machine.power_on(&mut script);
    run(&mut machine, &mut script, 12_000_000_000);
}
