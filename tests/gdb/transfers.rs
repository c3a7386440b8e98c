//! Watches on memory that a device of the real board writes by itself. That device is the host-target
//! interface: it answers a call in memory, rings `fromhost` and clears `tohost`.

use emulator::{
    clock::Position,
    debug::{Access, Engine, Motion, Reason, Watchpoint},
    door::Closed,
    machine::board::Config,
    timeline::Tuning,
};

use super::{
    log::{brute_force, watch_at_random},
    recording::{record_behind, subject},
};

const TOHOST: u64 = 0x8000_2000;
const FROMHOST: u64 = TOHOST + 8;
/// Number and arguments of a call; its result comes into the first place.
const CALL: u64 = TOHOST + 64;

/// Where the program is.
const START: u64 = 0x8000_0000;

/// The program, at [`START`].
const PROGRAM: [u32; 25] = [
    0x0010_0413, //        li s0, 1
    0x01f4_1413, //        slli s0, s0, 31
    0x0000_22b7, //        lui t0, 2
    0x0054_0433, //        add s0, s0, t0    tohost
    0x0404_0493, //        addi s1, s0, 64   the call
    0x01e0_0913, //        li s2, 30
    0x0400_0313, // round: li t1, 64
    0x0064_b023, //        sd t1, 0(s1)      write
    0x0010_0313, //        li t1, 1
    0x0064_b423, //        sd t1, 8(s1)      to file 1
    0x0804_0393, //        addi t2, s0, 128
    0x0074_b823, //        sd t2, 16(s1)     what is there
    0x0064_bc23, //        sd t1, 24(s1)     1 byte
    0x0094_3023, // call:  sd s1, 0(s0)
    0x0004_b383, //        ld t2, 0(s1)
    0x0004_2423, //        sw zero, 8(s0)
    0x1010_0313, //        li t1, 0x101
    0x0303_1313, //        slli t1, t1, 48
    0x02e3_6313, //        ori t1, t1, '.'
    0x0064_3023, // print: sd t1, 0(s0)
    0xfff9_0913, //        addi s2, s2, -1
    0xfc09_12e3, //        bnez s2, round
    0x0010_0313, // end:   li t1, 1
    0x0064_3023, //        sd t1, 0(s0)
    0x0000_006f, //        j .
];

/// Address of the instruction that has the device carry out a call.
const CALLS: u64 = START + 13 * 4;
/// Of the one that has it print.
const PRINTS: u64 = START + 19 * 4;
/// Of the end.
const END: u64 = START + 22 * 4;

/// The program as an ELF file with the two symbols that make the board have the device.
fn executable() -> Vec<u8> {
    const HEADER: u64 = 64 + 56;
    let code: Vec<u8> = PROGRAM.iter().flat_map(|word| word.to_le_bytes()).collect();
    let names = b"\0tohost\0fromhost\0";
    let mut symbols = vec![0; 24];
    for (name, value) in [(1_u32, TOHOST), (8, FROMHOST)] {
        symbols.extend(name.to_le_bytes());
        // A global object with an absolute address.
        symbols.extend([0x11, 0, 0xf1, 0xff]);
        symbols.extend(value.to_le_bytes());
        symbols.extend(8_u64.to_le_bytes());
    }
    let names_at = HEADER + code.len() as u64;
    let symbols_at = (names_at + names.len() as u64).next_multiple_of(8);
    let sections_at = symbols_at + symbols.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    // An executable for RISC-V with one segment and three sections, the second of which has names.
    for half in [2_u16, 243, 1, 0] {
        file.extend(half.to_le_bytes());
    }
    for word in [START, 64, sections_at] {
        file.extend(word.to_le_bytes());
    }
    for half in [0_u16, 0, 64, 56, 1, 64, 3, 1] {
        file.extend(half.to_le_bytes());
    }
    file.extend([1, 0, 0, 0, 7, 0, 0, 0]);
    let bytes = code.len() as u64;
    for word in [HEADER, START, START, bytes, bytes, 8] {
        file.extend(word.to_le_bytes());
    }
    file.extend(&code);
    file.extend(names);
    file.resize(usize::try_from(symbols_at).expect("small"), 0);
    file.extend(&symbols);
    file.resize(file.len() + 64, 0);
    for (kind, at, bytes, link, info, entry) in [
        (3_u32, names_at, names.len() as u64, 0_u32, 0_u32, 0_u64),
        (2, symbols_at, symbols.len() as u64, 1, 1, 24),
    ] {
        file.extend([0; 4]);
        file.extend(kind.to_le_bytes());
        for word in [0, 0, at, bytes] {
            file.extend(word.to_le_bytes());
        }
        file.extend([link, info].iter().flat_map(|word| word.to_le_bytes()));
        file.extend([8_u64, entry].iter().flat_map(|word| word.to_le_bytes()));
    }
    file
}

/// What the device writes behind the instruction at `pc`.
fn transfers(pc: Option<u64>) -> Vec<std::ops::Range<u64>> {
    let starts: &[u64] = match pc {
        Some(CALLS) => &[CALL, FROMHOST, TOHOST],
        Some(PRINTS) => &[TOHOST],
        _ => &[],
    };
    starts.iter().map(|start| *start..start + 8).collect()
}

#[test]
fn what_a_device_writes_is_found_in_both_directions() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("recording");
    let program = folder.path().join("program.elf");
    std::fs::write(&program, executable()).expect("a file");
    let config = Config { memory_bytes: 16 << 20, bios: Some(program), ..Config::default() };
    record_behind(Closed, &path, &config, Position::at_steps(100_000));
    let (log, steps) = brute_force(&path, END, &mut transfers);
    let mut engine = Engine::new(Box::new(subject(&path, Tuning::default())), 8 << 20);
    watch_at_random(&mut engine, &log, TOHOST - 8..CALL + 40, steps, 300);

    // Nobody else writes to the upper half of `fromhost`, and the answer is always the same.
    engine.resume(Motion::Seek(Position::at_steps(steps))).expect("it is inside");
    engine.clear_stops();
    let (addr, bytes) = (FROMHOST + 4, 4);
    engine.add_watchpoint(Watchpoint { addr, bytes, access: Access::Write, hart: None });
    let stop = engine.resume(Motion::ReverseContinue).expect("it moves");
    assert_eq!(stop.reason, Reason::Watchpoint { addr, access: Access::Write });
    assert_eq!(engine.subject().hart(0).pc(), CALLS, "in front of what called the device");

    engine.resume(Motion::Seek(Position::at_steps(steps))).expect("it is inside");
    let past = engine.last_write(None, CALL, 8).expect("it is mapped").expect("it was written");
    assert_eq!(past.pc, CALLS, "the result came last");
    let [number, result] = [64_u64, 1].map(|word| word.to_le_bytes().to_vec());
    assert_eq!(past.change, Some((number, result)));
}
