//! The bytes that stand for kinds in canonical schemas, and the words in error messages and the lock: one
//! list for the writer, which runs in const evaluation, and the reader.

use super::Kind;
use crate::define::KindDef;

pub(crate) const STRING: u8 = 14;
pub(crate) const OPTION: u8 = 15;
pub(crate) const ARRAY: u8 = 16;
pub(crate) const SEQ: u8 = 17;
pub(crate) const SET: u8 = 18;
pub(crate) const MAP: u8 = 19;
pub(crate) const TUPLE: u8 = 20;
pub(crate) const FLAGS: u8 = 21;
pub(crate) const TYPE: u8 = 22;

/// Kinds without parameters.
macro_rules! scalars {
    ($($kind:ident $tag:literal $word:literal),+ $(,)?) => {
        impl KindDef {
            /// Tag and word of a kind without parameters.
            pub(crate) const fn scalar(&self) -> Option<(u8, &'static str)> {
                match self {
                    $(Self::$kind => Some(($tag, $word)),)+
                    _ => None,
                }
            }
        }

        impl Kind {
            /// Tag and word of a kind without parameters.
            pub(crate) const fn scalar(&self) -> Option<(u8, &'static str)> {
                match self {
                    $(Self::$kind => Some(($tag, $word)),)+
                    _ => None,
                }
            }

            /// The kind without parameters for which `tag` stands.
            pub(crate) fn of_scalar(tag: u8) -> Option<Self> {
                match tag {
                    $($tag => Some(Self::$kind),)+
                    _ => None,
                }
            }
        }
    };
}

scalars! {
    Bool 1 "bool",
    U8 2 "u8",
    U16 3 "u16",
    U32 4 "u32",
    U64 5 "u64",
    U128 6 "u128",
    I8 7 "i8",
    I16 8 "i16",
    I32 9 "i32",
    I64 10 "i64",
    I128 11 "i128",
    F32 12 "f32",
    F64 13 "f64",
}
