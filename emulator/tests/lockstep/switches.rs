//! Every switch of a CPU model, on and off: what it gives is there, or is as if it had never been.

use super::case::{BREAKPOINT, Case, csrr, csrrw};
use emulator::isa::riscv::{Features, csr::number};

const ILLEGAL: u64 = 2;

/// What shows a switch.
enum Shown {
    /// This word is an instruction, or none.
    Word(u32),
    /// This register is there, or not.
    Register(u16),
    /// These bits of a register can be set, or not.
    Bits(u16, u64),
    /// A value that the register takes, or keeps what it had.
    Value(u16, u64),
    /// Nothing: the instruction is a hint, and without the extension it is an `ori` to x0.
    Hint(u32),
    /// It cannot be off.
    Always,
}

fn shown(feature: Features) -> Shown {
    use Shown::{Always, Bits, Hint, Register, Value, Word};
    match feature {
        // mul a0, a1, a2
        Features::M => Word(0x02c5_8533),
        // amoadd.w a0, a2, (a1)
        Features::A => Word(0x00c5_a52f),
        // fadd.s and fadd.d fa0, fa1, fa2
        Features::F => Word(0x00c5_f553),
        Features::D => Word(0x02c5_f553),
        Features::C => Always,
        // sh1add, andn, bset a0, a1, a2
        Features::ZBA => Word(0x20c5_a533),
        Features::ZBB => Word(0x40c5_f533),
        Features::ZBS => Word(0x28c5_9533),
        // cbo.clean and cbo.zero (a1)
        Features::ZICBOM => Word(0x0015_a00f),
        Features::ZICBOZ => Word(0x0045_a00f),
        // prefetch.r 32(a1)
        Features::ZICBOP => Hint(0x0215_e013),
        // fmv.x.h a0, fa1
        Features::ZFHMIN => Word(0xe405_8553),
        // czero.eqz a0, a1, a2
        Features::ZICOND => Word(0x0ec5_d533),
        Features::SSTC => Register(number::STIMECMP),
        Features::SV48 => Value(number::SATP, 9 << 60 | 0x8_0000),
        Features::SVADU => Bits(number::MENVCFG, 1 << 61),
        Features::SVPBMT => Bits(number::MENVCFG, 1 << 62),
        // sinval.vma a0, a1
        Features::SVINVAL => Word(0x16b5_0073),
        other => panic!("{other:?} has no row here"),
    }
}

/// Everything without `feature` and what needs it.
fn without(feature: Features) -> Features {
    let all = Features::all() - feature;
    if feature == Features::F { all - Features::D - Features::ZFHMIN } else { all }
}

/// Where the instructions that access memory do so.
const DATA: u64 = super::bench::RAM + 0x4000;

/// The cause that the code ends with, and what it leaves in a0.
fn run(features: Features, code: &[u32], a1: u64) -> (u64, u64) {
    let outcome = Case { features, code, words: &[] }.run(|hart| hart.state.x[11] = a1);
    (outcome.cause, outcome.x[10])
}

#[test]
fn every_switch_gives_and_takes_what_it_names() {
    for feature in Features::all().iter() {
        for (features, on) in [(Features::all(), true), (without(feature), false)] {
            let legal = if on { BREAKPOINT } else { ILLEGAL };
            match shown(feature) {
                Shown::Word(word) => {
                    assert_eq!(run(features, &[word], DATA).0, legal, "{feature:?}: {on}");
                }
                Shown::Register(csr) => {
                    assert_eq!(run(features, &[csrr(10, csr)], 0).0, legal, "{feature:?}: {on}");
                }
                Shown::Bits(csr, value) | Shown::Value(csr, value) => {
                    let code = [csrrw(0, csr, 11), csrr(10, csr)];
                    let expected = (BREAKPOINT, if on { value } else { 0 });
                    assert_eq!(run(features, &code, value), expected, "{feature:?}: {on}");
                }
                Shown::Hint(word) => assert_eq!(run(features, &[word], 0), (BREAKPOINT, 0)),
                Shown::Always => {
                    let name: String = feature.switches().collect();
                    let off = format!("max,{name}=off").parse::<Features>();
                    assert!(off.is_err(), "{name} can be off");
                }
            }
        }
    }
}

#[test]
fn misa_names_what_is_there() {
    let letters = |features: &str| {
        let features = features.parse().expect("a CPU");
        let (_, misa) = run(features, &[csrr(10, number::MISA)], 0);
        assert_eq!(misa >> 62, 2, "64 bits");
        let letters = (0..26_u8).filter(|letter| misa >> letter & 1 != 0);
        letters.map(|letter| char::from(b'a' + letter)).collect::<String>()
    };
    assert_eq!(letters("rv64gc"), "acdfimsu");
    assert_eq!(letters("rv64gc,d=off"), "acfimsu");
    assert_eq!(letters("rv64gc,d=off,f=off,m=off,a=off"), "cisu");
}
