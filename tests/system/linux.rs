//! OpenSBI and Debian's kernel.

use emulator::{
    door::Moment,
    machine::{
        Stop,
        board::{Config, Engine},
    },
};

use super::{
    console::{Script, Step, run},
    digest::{WholeDigest, differences, digest},
    guests::{file, linux, machine},
};

const BOOT: &[Step] = &[("guest ready: riscv64", ""), ("guest# ", "")];
const SHELL: &[Step] = &[
    // The real-time clock was set and runs on from there.
    ("2030  0.000000 seconds", ""),
    ("42", ""),
    ("Linux riscv64", ""),
    ("guest# ", "poweroff -f\r"),
];
const COMMAND: &str = "date -u -s '2030-01-02 03:04:05'; hwclock -u -w; hwclock -u -r; \
                       echo $((6 * 7)); uname -sm\r";

/// More than a boot takes, so that a guest that hangs is noticed.
const BOOT_STEPS: u64 = 10_000_000_000;

/// What two boots must have in common: where the prompt came and the whole state there, and where the
/// run ended.
#[derive(Debug, PartialEq, Eq)]
struct Course {
    prompt: Moment,
    state: WholeDigest,
    end: Moment,
}

fn boots(cpus: u32, engine: Engine) -> Course {
    let mut machine = machine(&Config { engine, ..linux(cpus) });
    let mut script = Script::new(BOOT).leaving();
    machine.power_on(&mut script);
    assert_eq!(run(&mut machine, &mut script, BOOT_STEPS), Stop::Left);
    let processors = format!("{cpus} processors");
    assert!(script.said.contains(&processors), "{processors}");
    let (prompt, state) = (machine.moment(), digest(&machine));
    let mut script = Script::typing(COMMAND, SHELL);
    let stop = run(&mut machine, &mut script, BOOT_STEPS);
    assert_eq!(stop, Stop::PoweredOff { code: 0 });
    Course { prompt, state, end: machine.moment() }
}

/// The same course on both engines.
fn boots_alike(cpus: u32) {
    let interpreter = boots(cpus, Engine::Interpreter);
    let translator = boots(cpus, Engine::Auto);
    assert_eq!(differences(&interpreter.state, &translator.state), [""; 0]);
    assert_eq!(interpreter, translator);
}

#[test]
fn debian_boots_to_a_prompt_and_switches_off_alike_in_both_engines() {
    boots_alike(1);
}

#[test]
fn debian_boots_on_four_harts_alike_in_both_engines() {
    boots_alike(4);
}

#[test]
fn the_debian_installer_reaches_its_first_screen() {
    let mut machine = machine(&Config { initrd: Some(file("installer-initrd.gz")), ..linux(1) });
    let mut script = Script::new(&[("Select a language", "")]);
    machine.power_on(&mut script);
    run(&mut machine, &mut script, 12_000_000_000);
}
