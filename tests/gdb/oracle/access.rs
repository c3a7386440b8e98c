//! Which memory an instruction accesses, decoded here once more: the oracle does not ask the engine
//! under test. (RISC-V Unprivileged ISA, chapters "RV64I", "A", "F", "D", "C".)

/// An access to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Virtual address.
    pub(crate) addr: u64,
    pub(crate) bytes: u64,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

fn bits(word: u32, high: u32, low: u32) -> u32 {
    word >> low & ((1 << (high - low + 1)) - 1)
}

fn extend(value: u32, bits: u32) -> u64 {
    (i64::from(value) << (64 - bits) >> (64 - bits)).cast_unsigned()
}

/// Length in bytes of the instruction that begins with `word`.
pub(crate) fn length(word: u32) -> u64 {
    if word & 3 == 3 { 4 } else { 2 }
}

/// What the instruction accesses when it completes, with these integer registers before it. A
/// conditional store reads and writes whether it succeeds or fails: it compares, and a failing one
/// stores what it found.
pub(crate) fn access(word: u32, x: &[u64]) -> Option<Access> {
    if length(word) == 4 { wide(word, x) } else { compressed(word & 0xffff, x) }
}

fn wide(word: u32, x: &[u64]) -> Option<Access> {
    let base = x[bits(word, 19, 15) as usize];
    let size = bits(word, 14, 12);
    let (load, store) = (extend(bits(word, 31, 20), 12), {
        extend(bits(word, 31, 25) << 5 | bits(word, 11, 7), 12)
    });
    let (offset, bytes, read, write) = match word & 0x7f {
        0x03 if size != 7 => (load, 1 << (size & 3), true, false),
        0x07 if (2..4).contains(&size) => (load, 1 << size, true, false),
        0x23 if size < 4 => (store, 1 << size, false, true),
        0x27 if (2..4).contains(&size) => (store, 1 << size, false, true),
        0x2f if (2..4).contains(&size) => match bits(word, 31, 27) {
            2 => (0, 1 << size, true, false),
            _ => (0, 1 << size, true, true),
        },
        _ => return None,
    };
    Some(Access { addr: base.wrapping_add(offset), bytes, read, write })
}

fn compressed(word: u32, x: &[u64]) -> Option<Access> {
    let function = bits(word, 15, 13);
    let (base, offset) = match (word & 3, function) {
        // Base in rs1': fld, lw, ld, fsd, sw, sd.
        (0, 1..=3 | 5..=7) => {
            let base = x[8 + bits(word, 9, 7) as usize];
            let offset = if function & 3 == 2 {
                bits(word, 12, 10) << 3 | bits(word, 6, 6) << 2 | bits(word, 5, 5) << 6
            } else {
                bits(word, 12, 10) << 3 | bits(word, 6, 5) << 6
            };
            (base, offset)
        }
        (2, 2) => (x[2], bits(word, 12, 12) << 5 | bits(word, 6, 4) << 2 | bits(word, 3, 2) << 6),
        (2, 1 | 3) => {
            (x[2], bits(word, 12, 12) << 5 | bits(word, 6, 5) << 3 | bits(word, 4, 2) << 6)
        }
        (2, 6) => (x[2], bits(word, 12, 9) << 2 | bits(word, 8, 7) << 6),
        (2, 5 | 7) => (x[2], bits(word, 12, 10) << 3 | bits(word, 9, 7) << 6),
        _ => return None,
    };
    let bytes = if function & 3 == 2 { 4 } else { 8 };
    let write = function >= 5;
    let addr = base.wrapping_add(u64::from(offset));
    Some(Access { addr, bytes, read: !write, write })
}

#[test]
fn accesses_are_decoded_as_the_assembler_encodes_them() {
    let x: Vec<u64> = (0..32).map(|number| number * 0x1000).collect();
    let access = |word| access(word, &x).map(|a| (a.addr, a.bytes, a.read, a.write));
    for (text, word, expected) in [
        ("ld a4, -8(a5)", 0xff87_b703, Some((0xeff8, 8, true, false))),
        ("lbu a0, 5(a1)", 0x0055_c503, Some((0xb005, 1, true, false))),
        ("sw a0, -4(s0)", 0xfea4_2e23, Some((0x7ffc, 4, false, true))),
        ("fsd fa0, 16(sp)", 0x00a1_3827, Some((0x2010, 8, false, true))),
        ("amoadd.w a0, a1, (a2)", 0x00b6_252f, Some((0xc000, 4, true, true))),
        ("lr.d a0, (a2)", 0x1006_352f, Some((0xc000, 8, true, false))),
        ("c.ld a0, 8(a1)", 0x6588, Some((0xb008, 8, true, false))),
        ("c.sw a0, 4(a1)", 0xc1c8, Some((0xb004, 4, false, true))),
        ("c.sdsp ra, 8(sp)", 0xe406, Some((0x2008, 8, false, true))),
        ("c.lwsp a0, 12(sp)", 0x4532, Some((0x200c, 4, true, false))),
        ("c.nop", 0x0001, None),
        ("add a0, a1, a2", 0x00c5_8533, None),
    ] {
        assert_eq!(access(word), expected, "{text}");
    }
}
