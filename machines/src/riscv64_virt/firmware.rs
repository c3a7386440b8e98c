//! The first instructions of every hart, and what they hand to firmware.
//!
//! Source: RISC-V Linux boot requirements (hart number in `a0`, device tree in `a1`) and OpenSBI,
//! `docs/firmware/fw_dynamic.md` (`struct fw_dynamic_info` in `a2`).

/// What firmware starts after itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// Physical address.
    pub(super) addr: u64,
}

/// Offset of the words within the ROM.
const ENTRY_AT: usize = 0x18;

/// `OSBI` as a number.
const DYNAMIC_MAGIC: u64 = 0x4942_534f;
const DYNAMIC_VERSION: u64 = 2;
const SUPERVISOR: u64 = 1;

/// The ROM: jumps to `entry` with the hart's number, the device tree and the dynamic information.
pub(super) fn reset_vector(entry: u64, tree_at: u64, next: Option<Next>) -> Vec<u8> {
    let code: [u32; 6] = [
        0x0000_0297, // auipc t0, 0
        0x0282_8613, // addi  a2, t0, 0x28
        0xf140_2573, // csrr  a0, mhartid
        0x0202_b583, // ld    a1, 0x20(t0): the device tree
        0x0182_b283, // ld    t0, 0x18(t0): the entry
        0x0002_8067, // jr    t0
    ];
    let mut rom: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(rom.len(), ENTRY_AT);
    let next = next.map_or([0; 2], |next| [next.addr, SUPERVISOR]);
    let boot_hart = 0;
    let words = [entry, tree_at, DYNAMIC_MAGIC, DYNAMIC_VERSION, next[0], next[1], 0, boot_hart];
    rom.extend(words.iter().flat_map(|word: &u64| word.to_le_bytes()));
    rom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_stand_where_the_code_reads_them() {
        let rom = reset_vector(0x8000_0000, 0x9fe0_0000, Some(Next { addr: 0x8020_0000 }));
        let word = |at: usize| u64::from_le_bytes(rom[at..at + 8].try_into().expect("8 bytes"));
        assert_eq!(word(ENTRY_AT), 0x8000_0000);
        assert_eq!(word(0x20), 0x9fe0_0000);
        let dynamic: Vec<u64> = (0..6).map(|index| word(0x28 + 8 * index)).collect();
        assert_eq!(dynamic, [0x4942_534f, 2, 0x8020_0000, 1, 0, 0]);
    }
}
