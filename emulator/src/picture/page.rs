//! A picture as one page of HTML that needs nothing else: style, script and data are inside.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Picture, Place};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes `picture` as a page.
///
/// # Errors
/// Those of `out`.
pub fn write(picture: &Picture, out: &mut dyn Write) -> io::Result<()> {
    // `</` inside the data would end the script element that holds them.
    let data = data(picture).to_string().replace("</", "<\\/");
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        out.write_all(before.as_bytes())?;
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        match name {
            "title" => out.write_all(escape(&picture.file).as_bytes())?,
            "style" => out.write_all(STYLE.as_bytes())?,
            "script" => out.write_all(SCRIPT.as_bytes())?,
            "data" => out.write_all(data.as_bytes())?,
            other => unreachable!("the page has no place for `{other}`"),
        }
        rest = after;
    }
    out.write_all(rest.as_bytes())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn place(at: Place) -> Value {
    json!([at.time_ns, at.steps, at.idle_ns, at.sequence])
}

/// The picture as columns: one array for each quantity, an element for each sample. Places are
/// arrays of virtual nanoseconds, steps, idle nanoseconds and sequence.
fn data(picture: &Picture) -> Value {
    let column = |of: &dyn Fn(&super::Sample) -> Value| {
        Value::Array(picture.samples.iter().map(of).collect())
    };
    let harts: Vec<_> = (0..picture.harts())
        .map(|hart| {
            json!({
                "steps": column(&|sample| sample.harts[hart].steps.into()),
                "interrupts": column(&|sample| sample.harts[hart].interrupts.into()),
                "exceptions": column(&|sample| sample.harts[hart].exceptions.into()),
                "mode": column(&|sample| sample.harts[hart].mode.into()),
                "waiting": column(&|sample| u8::from(sample.harts[hart].waiting).into()),
                "pc": column(&|sample| format!("{:x}", sample.harts[hart].pc).into()),
            })
        })
        .collect();
    let devices: Vec<_> = picture
        .devices
        .iter()
        .enumerate()
        .map(|(number, device)| {
            json!({
                "path": device.path,
                "model": device.model,
                "reads": column(&|sample| sample.devices[number].reads.into()),
                "writes": column(&|sample| sample.devices[number].writes.into()),
                "events": column(&|sample| sample.devices[number].events.into()),
            })
        })
        .collect();
    let marks: Vec<_> = picture
        .marks
        .iter()
        .map(|mark| {
            json!({
                "at": place(mark.at), "event": mark.event, "kind": mark.kind,
                "target": mark.target, "content": mark.content,
            })
        })
        .collect();
    let console: Vec<_> = picture
        .console
        .iter()
        .map(|print| json!([place(print.from), place(print.to), print.text, print.ends_line]))
        .collect();
    let checkpoints: Vec<_> = picture.checkpoints.iter().map(|at| place(*at)).collect();
    json!({
        "file": picture.file,
        "recording": picture.recording,
        "machine": picture.machine,
        "producer": picture.producer,
        "step_ps": picture.step_ps,
        "from": place(picture.from),
        "ending": picture.ending,
        "divergence": picture.divergence,
        "modes": picture.modes,
        "time": column(&|sample| sample.end.time_ns.into()),
        "steps": column(&|sample| sample.end.steps.into()),
        "idle": column(&|sample| sample.end.idle_ns.into()),
        "harts": harts,
        "devices": devices,
        "marks": marks,
        "checkpoints": checkpoints,
        "console": console,
        "console_left_out": picture.console_left_out,
    })
}
