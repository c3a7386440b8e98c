//! A picture as a trace for the Perfetto viewer, in the Trace Event Format (JSON).
//!
//! Source: "Trace Event Format" (Chromium), which Perfetto's trace processor reads: `ph` X is a slice,
//! C a counter, i an instant, M the name of a process or thread. Times are microseconds of *virtual*
//! time as decimal fractions, so a nanosecond is .001 and nothing is lost below 2^53 ns.
//!
//! Harts, devices and the recording are three processes; a hart is a thread whose slices are its
//! modes.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Picture, Place};

const HARTS: u32 = 1;
const DEVICES: u32 = 2;
const RECORDING: u32 = 3;
const EVENTS: usize = 1;
const CHECKPOINTS: usize = 2;
const CONSOLE: usize = 3;

/// Writes `picture` as a trace.
///
/// # Errors
/// Those of `out`.
pub fn write(picture: &Picture, out: &mut dyn Write) -> io::Result<()> {
    let about = json!({
        "file": picture.file, "recording": picture.recording, "machine": picture.machine,
        "producer": picture.producer, "ending": picture.ending,
    });
    write!(out, "{{\"displayTimeUnit\":\"ns\",\"otherData\":{about},\"traceEvents\":[")?;
    let mut separator = "\n";
    for event in names(picture).chain(harts(picture)).chain(devices(picture)).chain(marks(picture))
    {
        write!(out, "{separator}{event}")?;
        separator = ",\n";
    }
    writeln!(out, "\n]}}")
}

fn microseconds(ns: u64) -> Value {
    // Written by hand, so that no nanosecond is rounded away.
    let text = format!("{}.{:03}", ns / 1_000, ns % 1_000);
    text.parse::<serde_json::Number>().map_or(Value::Null, Value::Number)
}

fn named(kind: &str, process: u32, thread: usize, name: &str) -> Value {
    json!({"ph": "M", "name": kind, "pid": process, "tid": thread, "args": {"name": name}})
}

fn names(picture: &Picture) -> impl Iterator<Item = Value> {
    let mut found = vec![
        named("process_name", HARTS, 0, &picture.machine),
        named("process_name", DEVICES, 0, "devices"),
        named("process_name", RECORDING, 0, &picture.file),
        named("thread_name", RECORDING, EVENTS, "events"),
        named("thread_name", RECORDING, CHECKPOINTS, "checkpoints"),
        named("thread_name", RECORDING, CONSOLE, "console"),
    ];
    for hart in 0..picture.harts() {
        found.push(named("thread_name", HARTS, hart + 1, &format!("hart{hart}")));
    }
    found.into_iter()
}

fn counter(process: u32, name: &str, at_ns: u64, values: Value) -> Value {
    json!({"ph": "C", "pid": process, "name": name, "ts": microseconds(at_ns), "args": values})
}

fn slice(process: u32, thread: usize, name: &str, from: Place, to: Place) -> Value {
    json!({
        "ph": "X", "pid": process, "tid": thread, "name": name,
        "ts": microseconds(from.time_ns), "dur": microseconds(to.time_ns - from.time_ns),
        "args": {"steps": from.steps, "position": position(from)},
    })
}

fn instant(thread: usize, name: &str, at: Place, about: &str) -> Value {
    json!({
        "ph": "i", "s": "p", "pid": RECORDING, "tid": thread, "name": name,
        "ts": microseconds(at.time_ns), "args": {"position": position(at), "content": about},
    })
}

/// A place as every option and verb takes it.
fn position(at: Place) -> String {
    format!("{}:{}:{}", at.steps, at.idle_ns, at.sequence)
}

/// Slices of one mode, and counters of what each hart did.
fn harts(picture: &Picture) -> impl Iterator<Item = Value> {
    let mut found = Vec::new();
    for number in 0..picture.harts() {
        let mut from = picture.from;
        let mut open: Option<(Place, &str)> = None;
        for sample in &picture.samples {
            let hart = sample.harts[number];
            let doing = if hart.steps == 0 { "waiting" } else { picture.modes[hart.mode] };
            match open {
                Some((_, before)) if before == doing => {}
                Some((begin, before)) => {
                    found.push(slice(HARTS, number + 1, before, begin, from));
                    open = Some((from, doing));
                }
                None => open = Some((from, doing)),
            }
            let traps = json!({"interrupts": hart.interrupts, "exceptions": hart.exceptions});
            found.push(counter(HARTS, &format!("hart{number} traps"), from.time_ns, traps));
            let steps = json!({"steps": hart.steps});
            found.push(counter(HARTS, &format!("hart{number} steps"), from.time_ns, steps));
            from = sample.end;
        }
        if let Some((begin, doing)) = open {
            found.push(slice(HARTS, number + 1, doing, begin, from));
        }
    }
    found.into_iter()
}

fn devices(picture: &Picture) -> impl Iterator<Item = Value> {
    let mut found = Vec::new();
    for (number, device) in picture.devices.iter().enumerate() {
        let mut from = picture.from;
        let mut quiet = false;
        for sample in &picture.samples {
            let did = sample.devices[number];
            let nothing = did.reads + did.writes + did.events == 0;
            // A counter holds its value: one zero says that it stays.
            if !(nothing && quiet) {
                let values = json!({
                    "reads": did.reads, "writes": did.writes, "events": did.events,
                });
                found.push(counter(DEVICES, &device.path, from.time_ns, values));
            }
            quiet = nothing;
            from = sample.end;
        }
    }
    found.into_iter()
}

fn marks(picture: &Picture) -> impl Iterator<Item = Value> {
    let events = picture.marks.iter().map(|mark| {
        let name = match mark.event {
            Some(number) => format!("{} (event:{number})", mark.kind),
            None => mark.kind.clone(),
        };
        instant(EVENTS, &name, mark.at, &mark.content)
    });
    let checkpoints = picture
        .checkpoints
        .iter()
        .enumerate()
        .map(|(number, at)| instant(CHECKPOINTS, &format!("checkpoint {number}"), *at, ""));
    let console = picture
        .console
        .iter()
        .filter(|print| !print.text.is_empty())
        .map(|print| slice(RECORDING, CONSOLE, &print.text, print.from, print.to));
    events.chain(checkpoints).chain(console)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nanosecond_is_a_thousandth_that_is_not_lost() {
        for (ns, text) in [(0, "0.000"), (1, "0.001"), (1_234_567, "1234.567")] {
            let written: f64 = microseconds(ns).to_string().parse().expect("a number");
            let expected: f64 = text.parse().expect("a number");
            assert!((written - expected).abs() < 1e-9, "{ns} ns: {written}");
        }
    }
}
