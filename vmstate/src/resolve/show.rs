//! One value in an error message.

use crate::schema::Kind;
use crate::wire::{Reader, unzigzag, unzigzag_i128};

/// Longest run of raw bytes shown.
const BYTES_SHOWN_MAX: usize = 16;

/// Renders an encoded value: scalars as numbers, others as their bytes.
#[must_use]
pub fn show(bytes: &[u8], kind: &Kind) -> String {
    let mut reader = Reader::new(bytes);
    let scalar = match kind {
        Kind::Bool => reader.bool().map(|value| value.to_string()),
        Kind::U8 => reader.byte().map(|value| format!("{value} ({value:#x})")),
        Kind::I8 => reader.byte().map(|value| value.cast_signed().to_string()),
        Kind::U16 | Kind::U32 | Kind::U64 => {
            reader.varint(64).map(|value| format!("{value} ({value:#x})"))
        }
        Kind::I16 | Kind::I32 | Kind::I64 => {
            reader.varint(64).map(|value| unzigzag(value).to_string())
        }
        Kind::U128 => reader.varint_u128().map(|value| format!("{value:#x}")),
        Kind::I128 => reader.varint_u128().map(|value| unzigzag_i128(value).to_string()),
        Kind::F32 => reader.array().map(|bits| f32::from_le_bytes(*bits).to_string()),
        Kind::F64 => reader.array().map(|bits| f64::from_le_bytes(*bits).to_string()),
        Kind::String { max } => reader.str(*max).map(|value| format!("{value:?}")),
        Kind::Flags { bits, names } => {
            let value = if *bits == 8 { reader.byte().map(u64::from) } else { reader.varint(64) };
            value.map(|value| {
                let set: Vec<&str> = names
                    .iter()
                    .filter(|(_, bit)| value >> bit & 1 == 1)
                    .map(|(name, _)| name.as_str())
                    .collect();
                format!("{value:#x} ({})", set.join(" | "))
            })
        }
        _ => return raw(bytes),
    };
    scalar.unwrap_or_else(|_| raw(bytes))
}

fn raw(bytes: &[u8]) -> String {
    let shown: Vec<String> =
        bytes.iter().take(BYTES_SHOWN_MAX).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > BYTES_SHOWN_MAX { " .." } else { "" };
    format!("bytes {}{more}", shown.join(" "))
}
