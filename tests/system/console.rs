//! A door with a script: waits for a text on the console, then types.

use emulator::{
    clock::Position,
    door::{Door, Event, Moment, Output, PowerOn, Reply, kind},
    machine::{Machine, Stop},
};

/// Where every hart starts.
const RESET_VECTOR: u64 = 0x1000;

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
    /// Whether the machine is to stop when every text has come.
    leaves: bool,
}

impl Script {
    pub(crate) fn new(steps: &[Step]) -> Self {
        Self {
            steps: steps.to_vec(),
            next: 0,
            said: String::new(),
            from: 0,
            typing: None,
            leaves: false,
        }
    }

    /// A script that begins with typing.
    pub(crate) fn typing(keys: &str, steps: &[Step]) -> Self {
        Self { typing: Some(typed(keys)), ..Self::new(steps) }
    }

    /// An operator who does one thing at once.
    pub(crate) fn pressing(kind: &'static str) -> Self {
        let event = Event { kind: kind.into(), target: "".into(), data: Vec::new() };
        Self { typing: Some(event), ..Self::new(&[]) }
    }

    /// The same script; the machine stops where the last text has come.
    pub(crate) fn leaving(self) -> Self {
        Self { leaves: true, ..self }
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
            self.typing = Some(typed(answer));
        }
    }
}

fn typed(keys: &str) -> Event {
    let (kind, target) = (kind::SERIAL_INPUT.into(), "soc/uart0".into());
    Event { kind, target, data: keys.into() }
}

impl Door for Script {
    fn power_on(&mut self) -> PowerOn {
        PowerOn { clock_base_ns: 1_700_000_000_000_000_000, seed: [42; 32] }
    }

    fn take(&mut self, _: Moment) -> Reply {
        if self.leaves && self.is_done() {
            return Reply::Leave;
        }
        self.typing.take().map_or(Reply::Nothing, Reply::Event)
    }

    fn output(&mut self, _: Position, output: Output<'_>) {
        self.said.push_str(&String::from_utf8_lossy(output.data));
        self.look();
    }
}

/// Runs until the machine stops by itself or has gone `steps` steps from power-on.
pub(crate) fn run(machine: &mut Machine, script: &mut Script, steps: u64) -> Stop {
    let stop = machine.run(script, Position::at_steps(steps));
    if !script.is_done() {
        let (text, _) = script.steps[script.next];
        let start = script.said.len().saturating_sub(3_000);
        let tail = script.said.get(start..).unwrap_or(&script.said);
        panic!("`{text}` did not come within {steps} steps ({stop:?}); the console ends:\n{tail}");
    }
    stop
}

/// Types `steps` and runs to the first instruction after the reset that follows.
pub(crate) fn run_to_reset(machine: &mut Machine, steps: &[Step]) {
    let mut script = Script::new(steps);
    let begin = machine.position().steps;
    loop {
        // Step by step: the guest must not have done anything yet.
        let Position { steps, idle_ns, .. } = machine.position();
        let until = Position { steps: steps + 1, idle_ns, sequence: 0 };
        assert_eq!(machine.run(&mut script, until), Stop::Until);
        assert!(steps < begin + 20_000_000, "no reset comes; the guest said:\n{}", script.said);
        if machine.harts()[0].inspect().pc() == RESET_VECTOR {
            return;
        }
    }
}
