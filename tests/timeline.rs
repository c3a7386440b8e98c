//! Pictures of a recording, as a user makes and opens them: the page in headless Chromium, the
//! trace by the rules of its format.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// Records `keys` typed at the demo guest for `until` of virtual time.
fn record(folder: &Path, keys: &str, until: &str) -> PathBuf {
    let (typed, recording) = (folder.join("keys"), folder.join("run.rec"));
    fs::write(&typed, keys).expect("a file");
    let arguments = ["--pace", "max", "--rtc-base", "0", "--seed", "1", "--until", until];
    let status = Command::new(env!("CARGO_BIN_EXE_emulator"))
        .args(arguments)
        .arg("--record")
        .arg(&recording)
        .stdin(fs::File::open(&typed).expect("the keys"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("the emulator runs").success());
    recording
}

fn draw(recording: &Path, output: &Path, more: &[&str]) -> String {
    let drawn = Command::new(env!("CARGO_BIN_EXE_emulator"))
        .arg("timeline")
        .arg(recording)
        .arg("-o")
        .arg(output)
        .args(more)
        .output()
        .expect("the emulator runs");
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    fs::read_to_string(output).expect("the picture was written")
}

/// What the page is after its scripts ran.
fn opened(page: &Path) -> String {
    let profile = tempfile::tempdir().expect("a folder");
    let out = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,900"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .stderr(Stdio::null())
        .output()
        .expect("chromium is installed by scripts/setup");
    String::from_utf8(out.stdout).expect("a page is UTF-8")
}

/// Uses the page as a person would and writes into the document what then stands there.
const VISITOR: &str = r##"{
const lanes = document.getElementById("lanes");
const box = lanes.getBoundingClientRect();
const mouse = (type, part, more) => lanes.dispatchEvent(new PointerEvent(type, {
  clientX: box.left + part * box.width, clientY: box.top + 60, bubbles: true, pointerId: 1, ...more }));
lanes.setPointerCapture = () => {};
const seen = { whole: document.getElementById("range").textContent };
mouse("pointermove", 0.5);
seen.tip = document.getElementById("tip").innerText;
for (let i = 0; i < 8; i++)
  lanes.dispatchEvent(new WheelEvent("wheel", { deltaY: -400, clientX: box.left + box.width / 2, cancelable: true }));
draw();
seen.close = document.getElementById("range").textContent;
document.getElementById("axis-steps").click();
draw();
seen.steps = document.getElementById("range").textContent;
document.getElementById("fit").click();
document.querySelectorAll("#console span")[3].click();
draw();
seen.here = document.querySelector("#console span.here").textContent;
const pixels = lanes.getContext("2d").getImageData(0, 0, lanes.width, lanes.height).data;
seen.painted = pixels.some((byte) => byte);
document.body.append(Object.assign(document.createElement("pre"),
  { id: "seen", textContent: JSON.stringify(seen) }));
}"##;

#[test]
fn the_page_opens_zooms_and_tells_what_is_under_the_cursor_without_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = record(folder.path(), "hunt\r", "6s");
    let page = folder.path().join("run.html");
    let text = draw(&recording, &page, &[]);
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!text.contains(outside), "the page needs `{outside}` from elsewhere");
    }
    let visited = folder.path().join("visited.html");
    fs::write(&visited, text.replace("</body>", &format!("<script>{VISITOR}</script></body>")))
        .expect("a copy");
    let dom = opened(&visited);
    assert!(dom.contains("data-ready=\"yes\""), "the script did not come to its end:\n{dom:.3000}");
    assert!(!dom.contains("data-error"), "the page reports an error:\n{dom:.3000}");
    for shown in
        ["riscv64-virt@", "hart0", "soc/uart0", "ns16550a", "checkpoints", "audit 43 failed"]
    {
        assert!(dom.contains(shown), "`{shown}` is not on the page");
    }
    let (_, seen) = dom.split_once("<pre id=\"seen\">").expect("the visitor came to the end");
    let seen = seen.split_once("</pre>").expect("the element ends").0;
    let seen: Value = serde_json::from_str(&seen.replace("&gt;", ">")).expect("JSON");
    let field = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(field("whole"), "0 ns to 6 s (6 s)");
    assert!(field("tip").contains("virtual time") && field("tip").contains("hart0"), "{seen}");
    let close = field("close");
    assert!(
        close.starts_with("2.9") && close.contains("to 3.0"),
        "not zoomed to the middle: {close}"
    );
    assert!(field("steps").ends_with("instructions)"), "{seen}");
    assert!(field("here").starts_with("audit 43 failed"), "{seen}");
    assert_eq!(seen["painted"], Value::Bool(true));
}

#[test]
fn a_page_holds_what_the_guest_printed_as_text_and_nothing_of_it_as_markup() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = record(folder.path(), "</script><b>x</b>\r", "1s");
    let page = folder.path().join("run.html");
    let text = draw(&recording, &page, &["--samples", "20"]);
    assert!(text.contains(r"<\/script><b>x<\/b>"));
    let dom = opened(&page);
    assert!(dom.contains("data-ready=\"yes\"") && !dom.contains("data-error"));
    assert!(
        dom.contains("&lt;/script&gt;&lt;b&gt;x&lt;/b&gt;"),
        "the console is not shown as text"
    );
}

#[test]
fn samples_say_what_happened_between_them_however_fine_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = record(folder.path(), "hunt\r", "6s");
    let totals = |samples: &str| {
        let page = folder.path().join("run.html");
        let text = draw(&recording, &page, &["--samples", samples]);
        let (_, data) = text.split_once("id=\"data\">").expect("data");
        let data: Value = serde_json::from_str(data.split_once("</script>").expect("data").0)
            .expect("the data are JSON");
        let sum = |column: &Value| -> u64 {
            column.as_array().expect("a column").iter().filter_map(Value::as_u64).sum()
        };
        let hart = &data["harts"][0];
        let devices = data["devices"].as_array().expect("devices");
        let accesses: u64 = devices.iter().map(|d| sum(&d["reads"]) + sum(&d["writes"])).sum();
        (
            sum(&hart["steps"]),
            sum(&hart["interrupts"]),
            accesses,
            data["steps"].as_array().map(Vec::len),
        )
    };
    let (coarse, fine) = (totals("10"), totals("1000"));
    assert_eq!((coarse.0, coarse.1, coarse.2), (fine.0, fine.1, fine.2));
    assert_eq!(coarse.1, 599 + 1, "a tick every 10 ms for less than 6 s, and a key");
    assert!(coarse.3 < fine.3);
}

#[test]
fn a_stretch_of_a_recording_is_drawn_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = record(folder.path(), "hunt\r", "6s");
    let page = folder.path().join("run.html");
    let text = draw(&recording, &page, &["--from", "4s", "--to", "5s", "--samples", "100"]);
    assert!(text.contains("audit 43 failed") && !text.contains("auditing"));
}

/// What the Trace Event Format asks of each event.
#[test]
fn the_trace_keeps_the_rules_that_the_perfetto_viewer_relies_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = record(folder.path(), "hunt\r", "6s");
    let path = folder.path().join("run.json");
    let trace: Value =
        serde_json::from_str(&draw(&recording, &path, &["--perfetto", "--samples", "300"]))
            .expect("JSON");
    assert_eq!(trace["displayTimeUnit"], "ns");
    let events = trace["traceEvents"].as_array().expect("events");
    let mut named = Vec::new();
    let mut ends = BTreeMap::new();
    let mut kinds = BTreeMap::<&str, u64>::new();
    for event in events {
        let text = |key: &str| event[key].as_str().unwrap_or_else(|| panic!("{key} of {event}"));
        let number = |key: &str| event[key].as_f64().unwrap_or_else(|| panic!("{key} of {event}"));
        *kinds.entry(text("ph")).or_default() += 1;
        assert!(!text("name").is_empty() && event["pid"].is_u64(), "{event}");
        let thread = (event["pid"].as_u64(), event["tid"].as_u64());
        match text("ph") {
            "M" => named.push((thread, event["args"]["name"].as_str().expect("a name"))),
            "X" => {
                assert!(number("dur") >= 0.0 && number("ts") >= 0.0, "{event}");
                // Slices of one thread follow one another; they never overlap.
                let end = ends.entry(thread).or_insert(0.0);
                assert!(number("ts") >= *end - 0.0005, "{event} begins before {end}");
                *end = number("ts") + number("dur");
            }
            "C" => assert!(
                event["args"].as_object().is_some_and(|values| values.values().all(Value::is_u64)),
                "{event}"
            ),
            "i" => assert!(number("ts") <= 6_000_001.0 && text("s") == "p", "{event}"),
            other => panic!("`{other}` is no kind that is written"),
        }
    }
    assert!(kinds["X"] > 3 && kinds["C"] > 300 && kinds["i"] >= 4, "{kinds:?}");
    let names: Vec<_> = named.iter().map(|(_, name)| *name).collect();
    for name in ["hart0", "devices", "console", "events", "checkpoints"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(ends.keys().all(|thread| named.iter().any(|(named, _)| named == thread)));
}
