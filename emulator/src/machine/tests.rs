//! The run loop with puppets for harts: each step is an entry of a script.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use super::{Image, Machine, MachineBuilder, Sink, Stop};
use vmstate::{Instance, VmState};

use crate::{
    bus::{BusFault, Width},
    clock::{Clock, Position},
    devices::{aclint::Aclint, ns16550a::Ns16550a, plic::Plic, sifive_test::SifiveTest},
    door::{Door, Event, Moment, Output, PowerOn, Reply, Wake, kind},
    memory::GuestMemory,
    vcpu::{Architecture, Disassembly, Inspect, Slice, SliceEnd, Surroundings, Traps, Vcpu},
};

const TEST: u64 = 0x10_0000;
const CLINT: u64 = 0x200_0000;
const PLIC: u64 = 0xc00_0000;
const UART: u64 = 0x1000_0000;
const SERIAL: &str = "soc/uart0";

/// One step of a puppet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Nothing.
    Nop,
    /// A read of a word (of a byte at the serial port).
    Read(u64),
    /// A write of a double word (less where the device takes less).
    Write(u64, u64),
    /// Waits until some line is high.
    Wait,
}

/// What the puppets saw: hart, step, what.
type Log = Arc<Mutex<Vec<(usize, u64, String)>>>;

/// What a puppet saves.
#[derive(VmState, Default)]
#[vmstate(version = 1)]
struct Nothing;

struct Puppet {
    nothing: Nothing,
    number: usize,
    script: Vec<Act>,
    next: usize,
    lines: u64,
    waits: bool,
    /// How often it was told that others may have written memory: its only register.
    lost: u128,
    log: Log,
}

fn width_at(addr: u64) -> Width {
    match addr {
        UART..0x1000_1000 => Width::Byte,
        0x200_4000..0x201_0000 => Width::Double,
        _ => Width::Word,
    }
}

impl Vcpu for Puppet {
    fn run(&mut self, budget: u64, around: &mut Surroundings<'_>) -> Slice {
        self.waits &= self.lines == 0;
        let mut steps = 0;
        let mut end = SliceEnd::Budget;
        while steps < budget {
            let act = self.script.get(self.next).copied().unwrap_or(Act::Nop);
            let position = around.clock.position.steps + steps;
            let note =
                |text| self.log.lock().expect("one thread").push((self.number, position, text));
            self.next += 1;
            steps += 1;
            match act {
                Act::Nop => continue,
                Act::Read(addr) => {
                    note(format!("{:x?}", around.bus.read(position, addr, width_at(addr))));
                    end = SliceEnd::Attention;
                }
                Act::Write(addr, value) => {
                    let result = around.bus.write(position, addr, width_at(addr), value);
                    note(format!("{result:?}"));
                    end = SliceEnd::Attention;
                }
                Act::Wait => {
                    self.waits = self.lines == 0;
                    end = SliceEnd::Idle;
                }
            }
            break;
        }
        Slice { steps, end }
    }

    fn set_line(&mut self, line: u32, level: bool) {
        self.lines = self.lines & !(1 << line) | u64::from(level) << line;
        self.log.lock().expect("one thread").push((self.number, 0, format!("line {line} {level}")));
    }

    fn lose_reservation(&mut self) {
        self.lost += 1;
    }

    fn deadline_ns(&self, _: &Clock) -> Option<u64> {
        None
    }

    fn is_idle(&self, _: &Clock) -> bool {
        self.waits && self.lines == 0
    }

    fn reset(&mut self) {
        (self.next, self.lines, self.waits) = (0, 0, false);
    }

    fn instance(&self) -> &dyn Instance {
        &self.nothing
    }

    fn instance_mut(&mut self) -> &mut dyn Instance {
        &mut self.nothing
    }

    fn transcript(&self) -> u64 {
        0
    }

    fn inspect(&self) -> &dyn Inspect {
        self
    }

    fn inspect_mut(&mut self) -> &mut dyn Inspect {
        self
    }
}

impl Inspect for Puppet {
    fn architecture(&self) -> &'static Architecture {
        unreachable!("nobody debugs a puppet")
    }

    fn read_register(&self, _: usize, _: &Clock) -> Option<u128> {
        Some(self.lost)
    }

    fn write_register(&mut self, _: usize, _: u128, _: &Clock) -> bool {
        false
    }

    fn pc(&self) -> u64 {
        self.next as u64
    }

    fn mode(&self) -> &'static str {
        "only"
    }

    fn traps(&self) -> Traps {
        Traps::default()
    }

    fn translate(&self, _: &GuestMemory, addr: u64) -> Option<u64> {
        Some(addr)
    }

    fn set_breakpoints(&mut self, _: &BTreeSet<u64>) {}

    fn heed_breakpoints(&mut self, _: bool) {}

    fn disassemble(&self, _: &[u8], _: u64) -> Option<Disassembly> {
        None
    }
}

/// Events at positions, and what came out.
#[derive(Default)]
struct Script {
    events: VecDeque<(Position, Event)>,
    sent: Vec<(Position, Vec<u8>)>,
    takes: Vec<Position>,
}

impl Door for Script {
    fn power_on(&mut self) -> PowerOn {
        PowerOn { clock_base_ns: 5, seed: [7; 32] }
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        let next = self.events.front().map_or(u64::MAX, |(at, _)| at.steps);
        if next > now.position.steps { next } else { u64::MAX }
    }

    fn take(&mut self, now: Moment) -> Reply {
        self.takes.push(now.position);
        match self.events.front() {
            Some((at, _)) if *at == now.position => {
                Reply::Event(self.events.pop_front().expect("it is there").1)
            }
            _ => Reply::Nothing,
        }
    }

    fn idle(&mut self, now: Moment, deadline_ns: Option<u64>) -> Wake {
        match self.events.front() {
            Some((at, _)) if at.steps == now.position.steps => {
                Wake::After { idle_ns: at.idle_ns - now.position.idle_ns }
            }
            _ if deadline_ns.is_some() => Wake::Deadline,
            _ => Wake::Leave,
        }
    }

    fn output(&mut self, now: Position, output: Output<'_>) {
        assert_eq!(output.source, SERIAL);
        self.sent.push((now, output.data.to_vec()));
    }
}

fn typed(text: &'static str) -> Event {
    let data = text.as_bytes().to_vec();
    Event { kind: kind::SERIAL_INPUT.into(), target: SERIAL.into(), data }
}

fn operator(kind: &'static str) -> Event {
    Event { kind: kind.into(), target: "".into(), data: Vec::new() }
}

fn at(steps: u64, idle_ns: u64, sequence: u64) -> Position {
    Position { steps, idle_ns, sequence }
}

const NEVER: Position = Position::at_steps(u64::MAX);

/// A machine whose harts follow `scripts`, with turns of 100 steps.
fn machine(scripts: &[&[Act]]) -> (Machine, Log) {
    let log = Log::default();
    let memory =
        GuestMemory::new(std::slice::from_ref(&(0x8000_0000..0x8001_0000))).expect("16 pages");
    let mut builder = MachineBuilder::new("puppets@1.0", memory, 1_000, 100);
    let test = builder.device("soc/test", Box::new(SifiveTest::default()));
    let clint = builder.device("soc/clint", Box::new(Aclint::new(scripts.len(), 100)));
    // The controller comes before its sources, so that the order has to be found.
    let plic = builder.device("soc/plic", Box::new(Plic::new(1)));
    let uart = builder.device(SERIAL, Box::new(Ns16550a::default()));
    for (device, base) in [(test, TEST), (clint, CLINT), (plic, PLIC), (uart, UART)] {
        builder.map(device, 0, base);
    }
    builder.wire(uart, 0, Sink::Device { device: plic, line: 10 });
    builder.wire(plic, 0, Sink::Hart { hart: 0, line: 11 });
    for (number, script) in scripts.iter().enumerate() {
        let line = u32::try_from(2 * number).expect("few harts");
        builder.wire(clint, line, Sink::Hart { hart: number, line: 3 });
        builder.wire(clint, line + 1, Sink::Hart { hart: number, line: 7 });
        let (script, log) = (script.to_vec(), Arc::clone(&log));
        builder.hart(Box::new(Puppet {
            nothing: Nothing,
            number,
            script,
            next: 0,
            lines: 0,
            waits: false,
            lost: 0,
            log,
        }));
    }
    builder.image(Image::new("code", 0x8000_0000, *b"code")).expect("it fits");
    let mut machine = builder.build();
    machine.power_on(&mut Script::default());
    log.lock().expect("one thread").clear();
    (machine, log)
}

fn run(machine: &mut Machine, door: &mut Script, until: Position) -> Stop {
    machine.run(door, until)
}

#[test]
fn a_timer_interrupts_at_its_step_and_not_before() {
    let (mut machine, log) = machine(&[&[Act::Nop, Act::Write(CLINT + 0x4000, 3)]]);
    let mut door = Script::default();
    assert_eq!(run(&mut machine, &mut door, at(299, 0, 0)), Stop::Until);
    assert_eq!(*log.lock().expect("one thread"), [(0, 1, "Ok(())".into())]);
    assert_eq!(run(&mut machine, &mut door, at(300, 0, 0)), Stop::Until);
    assert_eq!(log.lock().expect("one thread").last(), Some(&(0, 0, "line 7 true".into())));
}

#[test]
fn an_idle_machine_warps_exactly_to_its_next_timer() {
    let (mut machine, _) = machine(&[&[Act::Write(CLINT + 0x4000, 50), Act::Wait]]);
    assert_eq!(run(&mut machine, &mut Script::default(), at(2, 4_998, 0)), Stop::Until);
    assert_eq!(machine.position(), at(2, 4_998, 0));
    assert_eq!(machine.clock().now_ns(), 5_000);
}

#[test]
fn an_idle_machine_without_a_timer_leaves() {
    let (mut machine, _) = machine(&[&[Act::Wait]]);
    assert_eq!(run(&mut machine, &mut Script::default(), NEVER), Stop::Left);
    assert_eq!(machine.position(), at(1, 0, 0));
}

/// Enables the serial port's interrupt, waits for it, claims it and reads the byte.
const SERIAL_READER: &[Act] = &[
    Act::Write(PLIC + 4 * 10, 1),
    Act::Write(PLIC + 0x2000, 1 << 10),
    Act::Write(UART + 1, 1),
    Act::Wait,
    Act::Read(PLIC + 0x20_0004),
    Act::Read(UART),
    Act::Write(UART, 0x21),
    Act::Write(PLIC + 0x20_0004, 10),
];

#[test]
fn input_wakes_an_idle_machine_where_the_door_says() {
    let (mut machine, log) = machine(&[SERIAL_READER]);
    let mut door = Script { events: [(at(4, 777, 0), typed("a"))].into(), ..Script::default() };
    assert_eq!(run(&mut machine, &mut door, at(9, 0, 0)), Stop::Until);
    assert_eq!(machine.position(), at(9, 777, 0));
    assert_eq!(door.sent, [(at(7, 777, 0), b"!".to_vec())]);
    let log = log.lock().expect("one thread");
    let seen: Vec<_> = log.iter().skip(3).map(|(_, step, what)| (*step, what.as_str())).collect();
    let expected = [
        (0, "line 11 true"),
        (4, "Ok(a)"),
        (0, "line 11 false"),
        (5, "Ok(61)"),
        (6, "Ok(())"),
        (7, "Ok(())"),
    ];
    assert_eq!(seen, expected);
}

/// How often each hart lost its reservation.
fn lost(machine: &Machine) -> Vec<u128> {
    let harts = machine.harts().iter();
    harts
        .map(|hart| hart.inspect().read_register(0, machine.clock()).expect("it has one"))
        .collect()
}

#[test]
fn a_hart_loses_its_reservation_with_its_turn_and_to_whoever_else_writes_memory() {
    let (mut pair, _) = machine(&[&[], &[]]);
    for (until, expected) in [(99, [0, 0]), (100, [1, 0]), (150, [1, 0]), (250, [1, 1])] {
        assert_eq!(run(&mut pair, &mut Script::default(), at(until, 0, 0)), Stop::Until);
        assert_eq!(lost(&pair), expected, "after {until} steps with turns of 100");
    }
    let (mut alone, _) = machine(&[&[]]);
    let data = [&0x8000_0000_u64.to_le_bytes()[..], b"bytes"].concat();
    let write = Event { kind: kind::WRITE_MEMORY.into(), target: "".into(), data };
    let mut door = Script { events: [(at(500, 0, 0), write)].into(), ..Script::default() };
    for (until, expected) in [(499, [0]), (501, [1]), (900, [1])] {
        assert_eq!(run(&mut alone, &mut door, at(until, 0, 0)), Stop::Until);
        assert_eq!(lost(&alone), expected, "after {until} steps");
    }
}

#[test]
fn a_limit_with_a_sequence_stops_before_its_event() {
    let (mut machine, _) = machine(&[&[]]);
    let events = [(at(5, 0, 0), typed("a")), (at(5, 0, 1), typed("b"))];
    let mut door = Script { events: events.into(), ..Script::default() };
    assert_eq!(run(&mut machine, &mut door, at(5, 0, 1)), Stop::Until);
    assert_eq!((machine.position(), door.events.len()), (at(5, 0, 1), 1));
    assert_eq!(run(&mut machine, &mut door, at(6, 0, 0)), Stop::Until);
    assert_eq!((machine.position(), door.events.len()), (at(6, 0, 0), 0));
}

#[test]
fn harts_take_turns_and_one_that_waits_takes_none() {
    let (mut machine, _) = machine(&[&[], &[Act::Nop, Act::Wait], &[]]);
    run(&mut machine, &mut Script::default(), at(350, 0, 0));
    assert_eq!(machine.state().schedule.hart_steps, [200, 2, 148]);
}

#[test]
fn where_slices_are_cut_cannot_be_seen() {
    let scripts: [&[Act]; 2] = [
        &[Act::Write(CLINT + 0x4000, 7), Act::Wait, Act::Write(CLINT + 4, 1), Act::Nop, Act::Wait],
        &[Act::Nop, Act::Write(CLINT + 0x4008, 2), Act::Wait, Act::Write(CLINT, 1)],
    ];
    let whole = {
        let (mut machine, log) = machine(&scripts);
        run(&mut machine, &mut Script::default(), at(2_000, 0, 0));
        (log.lock().expect("one thread").clone(), machine.state().clone(), machine.position())
    };
    for stride in [1, 2, 3, 7, 64, 99, 100, 101] {
        let (mut machine, log) = machine(&scripts);
        while machine.position().steps < 2_000 {
            let until = at((machine.position().steps + stride).min(2_000), 0, 0);
            run(&mut machine, &mut Script::default(), until);
        }
        let cut =
            (log.lock().expect("one thread").clone(), machine.state().clone(), machine.position());
        assert_eq!(cut, whole, "stride {stride}");
    }
}

#[test]
fn the_guest_switches_off_with_its_code() {
    for (word, code) in [(0x5555, 0), (0x0003_3333, 3)] {
        let (mut machine, _) = machine(&[&[Act::Nop, Act::Write(TEST, word)]]);
        assert_eq!(run(&mut machine, &mut Script::default(), NEVER), Stop::PoweredOff { code });
        assert_eq!(run(&mut machine, &mut Script::default(), NEVER), Stop::PoweredOff { code });
        assert_eq!(machine.position(), at(2, 0, 0));
    }
}

#[test]
fn twenty_reboots_give_twenty_equal_machines() {
    let script: &[Act] = &[
        Act::Write(CLINT, 1),
        Act::Write(CLINT + 0x4000, 9),
        Act::Write(UART + 1, 3),
        Act::Write(UART + 7, 0x5a),
        Act::Write(PLIC + 4 * 10, 1),
        Act::Write(TEST, 0x7777),
    ];
    let (mut machine, _) = machine(&[script]);
    for reboot in 1..=20 {
        machine.memory().write(0x8000_0000, b"scribble").expect("RAM");
        assert_eq!(run(&mut machine, &mut Script::default(), at(6 * reboot, 0, 0)), Stop::Until);
        let mut code = [0; 8];
        machine.memory().read(0x8000_0000, &mut code).expect("RAM");
        assert_eq!(&code, b"code\0\0\0\0", "reboot {reboot}");
        let mut door = Script::default();
        let seen = machine.fabric.deadline_ns(machine.clock().now_ns());
        assert_eq!((seen, machine.harts()[0].inspect().pc()), (None, 0), "reboot {reboot}");
        assert_eq!(machine.state().schedule.quantum_left, 100);
        assert_eq!(door.power_on().seed, [7; 32]);
    }
}

#[test]
fn an_operator_resets_and_switches_off() {
    let (mut machine, _) = machine(&[&[]]);
    let events = [(at(3, 0, 0), operator(kind::RESET)), (at(8, 0, 0), operator(kind::POWER_OFF))];
    let mut door = Script { events: events.into(), ..Script::default() };
    assert_eq!(run(&mut machine, &mut door, at(7, 0, 0)), Stop::Until);
    assert_eq!(machine.harts()[0].inspect().pc(), 4);
    assert_eq!(run(&mut machine, &mut door, NEVER), Stop::PoweredOff { code: 0 });
    assert_eq!(machine.position(), at(8, 0, 1));
}

#[test]
fn a_debugger_writes_memory_through_the_door() {
    let (mut machine, _) = machine(&[&[]]);
    let mut data = 0x8000_0010_u64.to_le_bytes().to_vec();
    data.extend(b"patched");
    let write = Event { data, ..operator(kind::WRITE_MEMORY) };
    let mut door = Script { events: [(at(1, 0, 0), write)].into(), ..Script::default() };
    run(&mut machine, &mut door, at(2, 0, 0));
    let mut found = [0; 7];
    machine.memory().read(0x8000_0010, &mut found).expect("RAM");
    assert_eq!(&found, b"patched");
}

#[test]
fn an_event_that_nobody_takes_is_named() {
    for event in [operator("network.frame"), Event { target: "soc/none".into(), ..typed("x") }] {
        let (mut machine, _) = machine(&[&[]]);
        let mut door =
            Script { events: [(at(1, 0, 0), event.clone())].into(), ..Script::default() };
        assert_eq!(run(&mut machine, &mut door, NEVER), Stop::Undeliverable(event));
        assert_eq!(machine.position(), at(1, 0, 0));
    }
}

#[test]
fn bus_misuse_never_reaches_a_device_and_its_own_complaints_never_reach_the_bus() {
    let (mut machine, _) = machine(&[&[]]);
    let saved = |machine: &Machine| {
        let mut bytes = Vec::new();
        for (path, device) in machine.fabric.instances() {
            device.save(device.version(), &mut bytes).expect(path);
        }
        bytes
    };
    let fresh = saved(&machine);
    for (addr, width, answer) in [
        (UART + 7, Width::Half, Err(BusFault::Width)),
        (UART, Width::Double, Err(BusFault::Width)),
        (PLIC + 4, Width::Byte, Err(BusFault::Width)),
        (PLIC + 8, Width::Double, Err(BusFault::Width)),
        (PLIC + 6, Width::Word, Err(BusFault::Misaligned)),
        (CLINT + 0x4004, Width::Double, Err(BusFault::Misaligned)),
        (UART + 0x100, Width::Byte, Err(BusFault::Unmapped)),
        (UART - 1, Width::Byte, Err(BusFault::Unmapped)),
        (0x9000_0000, Width::Word, Err(BusFault::Unmapped)),
        // No such register, hart or source: the device answers as its manual says.
        (UART + 0x80, Width::Byte, Ok(())),
        (PLIC + 0x1ffc, Width::Word, Ok(())),
        (CLINT + 0x3ffc, Width::Word, Ok(())),
        (TEST + 8, Width::Half, Ok(())),
    ] {
        let Machine { fabric, memory, .. } = &mut machine;
        let read = fabric.read(memory, 0, addr, width);
        let written = fabric.write(memory, 0, addr, width, u64::MAX);
        assert_eq!((read.map(drop), written), (answer, answer), "{addr:#x} {width:?}");
        assert_eq!(saved(&machine), fresh, "{addr:#x} {width:?}");
    }
}

#[test]
fn bus_misuse_is_told_apart() {
    let (mut machine, log) = machine(&[&[
        Act::Read(0x500_0000),
        Act::Read(PLIC + 2),
        Act::Write(TEST + 0x1000, 0),
        Act::Read(UART + 0x100),
    ]]);
    run(&mut machine, &mut Script::default(), at(4, 0, 0));
    let seen: Vec<_> =
        log.lock().expect("one thread").iter().map(|entry| entry.2.clone()).collect();
    assert_eq!(seen, ["Err(Unmapped)", "Err(Misaligned)", "Err(Unmapped)", "Err(Unmapped)"]);
}
