//! A door with a script: waits for a text on the console, then types.

use emulator::{
    clock::Position,
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake, kind},
    machine::{Machine, Stop},
};

/// Wait for the first text, then type the second.
pub(crate) type Step = (&'static str, &'static str);

/// The outside world of a test: it types when the guest has said what was expected, at positions
/// that depend on the guest alone, so that two runs are equal.
pub(crate) struct Script {
    steps: Vec<Step>,
    next: usize,
    /// Everything that the guest has sent.
    pub(crate) said: String,
    /// Where the search for the next text begins.
    from: usize,
    typing: Option<Event>,
}

impl Script {
    pub(crate) fn new(steps: &[Step]) -> Self {
        Self { steps: steps.to_vec(), next: 0, said: String::new(), from: 0, typing: None }
    }

    /// Whether every text has come.
    pub(crate) fn is_done(&self) -> bool {
        self.next == self.steps.len()
    }

    fn look(&mut self) {
        let Some((text, answer)) = self.steps.get(self.next) else { return };
        let Some(found) = self.said[self.from..].find(text) else { return };
        self.from += found + text.len();
        self.next += 1;
        if !answer.is_empty() {
            let data = answer.as_bytes().to_vec();
            let (kind, target) = (kind::SERIAL_INPUT.into(), "soc/uart0".into());
            self.typing = Some(Event { kind, target, data });
        }
    }
}

impl Door for Script {
    fn power_on(&mut self) -> PowerOn {
        PowerOn { clock_base_ns: 1_700_000_000_000_000_000, seed: [42; 32] }
    }

    fn horizon(&mut self, _: Moment) -> u64 {
        u64::MAX
    }

    fn take(&mut self, _: Moment) -> Reply {
        self.typing.take().map_or(Reply::Nothing, Reply::Event)
    }

    fn idle(&mut self, _: Moment, deadline_ns: Option<u64>) -> Wake {
        if deadline_ns.is_some() { Wake::Deadline } else { Wake::Leave }
    }

    fn output(&mut self, _: Position, output: Output<'_>) {
        self.said.push_str(&String::from_utf8_lossy(output.data));
        self.look();
    }
}

/// Runs until the machine stops by itself or has gone `steps` steps from power-on.
pub(crate) fn run(machine: &mut Machine, script: &mut Script, steps: u64) -> Stop {
    let stop = machine.run(script, Position { steps, idle_ns: 0, sequence: 0 });
    if !script.is_done() {
        let (text, _) = script.steps[script.next];
        let start = script.said.len().saturating_sub(3_000);
        let tail = script.said.get(start..).unwrap_or(&script.said);
        panic!("`{text}` did not come within {steps} steps ({stop:?}); the console ends:\n{tail}");
    }
    stop
}
