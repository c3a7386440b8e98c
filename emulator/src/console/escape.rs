//! The escape key: Ctrl-A, then a letter.

const CTRL_A: u8 = 0x01;

/// What a typed byte means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The guest gets this byte.
    Pass(u8),
    /// Part of an escape sequence, or one that nobody knows.
    Hold,
    /// Quit.
    Quit,
    /// Open the monitor.
    Monitor,
    /// Show the keys.
    Help,
}

/// Whether the escape key has just been typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Escape {
    escaped: bool,
}

impl Escape {
    /// Takes the next byte.
    pub fn take(&mut self, byte: u8) -> Command {
        if !self.escaped {
            self.escaped = byte == CTRL_A;
            return if self.escaped { Command::Hold } else { Command::Pass(byte) };
        }
        self.escaped = false;
        match byte {
            b'x' => Command::Quit,
            b'c' => Command::Monitor,
            b'h' | b'?' => Command::Help,
            b'a' | CTRL_A => Command::Pass(CTRL_A),
            _ => Command::Hold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_the_escape_key_is_a_command() {
        use Command::{Help, Hold, Monitor, Pass, Quit};
        for (typed, commands) in [
            (&b"ax"[..], vec![Pass(b'a'), Pass(b'x')]),
            (b"\x01x", vec![Hold, Quit]),
            (b"\x01cx", vec![Hold, Monitor, Pass(b'x')]),
            (b"\x01h\x01?", vec![Hold, Help, Hold, Help]),
            (b"\x01\x01\x01a", vec![Hold, Pass(1), Hold, Pass(1)]),
            (b"\x01zx", vec![Hold, Hold, Pass(b'x')]),
        ] {
            let mut escape = Escape::default();
            let seen: Vec<_> = typed.iter().map(|&byte| escape.take(byte)).collect();
            assert_eq!(seen, commands, "{typed:?}");
        }
    }
}
