//! What a machine consists of and what it has done, as text for people.

use std::fmt::Write;

use super::Machine;

/// Parts, sizes and addresses.
#[must_use]
pub fn info(machine: &Machine) -> String {
    let mut text = String::new();
    let state = machine.state();
    line(&mut text, "machine", machine.name());
    line(&mut text, "harts", machine.harts().len());
    line(&mut text, "quantum", format_args!("{} steps", state.schedule.quantum));
    line(&mut text, "step", format_args!("{} ps", state.step_ps));
    for region in machine.memory().regions() {
        let (base, end) = (region.base, region.base + region.bytes);
        let kind = if machine.memory().is_writable(base) { "RAM" } else { "ROM" };
        place(&mut text, base, end, format_args!("{kind}, {} KiB", region.bytes >> 10));
    }
    let fabric = machine.fabric();
    for mapping in fabric.mappings() {
        let (path, model) = (fabric.path(mapping.device), fabric.device(mapping.device).model());
        let end = mapping.base + mapping.shape.bytes;
        place(&mut text, mapping.base, end, format_args!("{path} ({model})"));
    }
    for image in machine.images() {
        place(&mut text, image.addr, image.end(), format_args!("at reset: {}", image.name));
    }
    text
}

/// Counters.
#[must_use]
pub fn stats(machine: &Machine) -> String {
    let mut text = String::new();
    let position = machine.position();
    line(&mut text, "machine", machine.name());
    line(&mut text, "steps", position.steps);
    let (now, idle) = (seconds(machine.clock().now_ns()), seconds(position.idle_ns));
    line(&mut text, "virtual time", format_args!("{now} s, idle {idle} s"));
    for (hart, steps) in machine.state().schedule.hart_steps.iter().enumerate() {
        line(&mut text, &format!("hart{hart}"), format_args!("{steps} steps"));
    }
    for (hart, report) in machine.harts().iter().map(|hart| hart.report()).enumerate() {
        if let Some(report) = report {
            line(&mut text, &format!("hart{hart} engine"), report);
        }
    }
    line(&mut text, "transcript", format_args!("{:016x}", machine.moment().transcript));
    text
}

/// Writing into a String does not fail.
fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    writeln!(text, "{name:<14} {value}").unwrap_or_default();
}

fn place(text: &mut String, base: u64, end: u64, what: impl std::fmt::Display) {
    writeln!(text, "  {base:#012x}..{end:#012x}  {what}").unwrap_or_default();
}

fn seconds(ns: u64) -> String {
    format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}
