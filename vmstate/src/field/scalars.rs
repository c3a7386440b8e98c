//! Numbers, `bool`, and the structural kinds of fixed size.

#![expect(
    clippy::cast_possible_truncation,
    reason = "the reader has bounded each varint by the width it is cast to"
)]

use super::{Field, Value, reserve};
use crate::define::KindDef;
use crate::error::{LoadError, SaveError};
use crate::wire::{
    Reader, put_varint, put_varint_u128, unzigzag, unzigzag_i128, zigzag, zigzag_i128,
};

macro_rules! plain {
    ($type:ty, $kind:ident, $zero:expr, |$value:ident, $out:ident| $save:expr, |$reader:ident| $load:expr $(, $bulk:item)*) => {
        impl<B> Field<B> for $type {
            type Staged = Self;
            const KIND: KindDef = KindDef::$kind;

            #[inline]
            fn save(&self, $out: &mut Vec<u8>) -> Result<(), SaveError> {
                let $value = *self;
                $save;
                Ok(())
            }

            #[inline]
            fn load($reader: &mut Reader<'_>) -> Result<Self, LoadError> {
                Ok($load)
            }

            #[inline]
            fn swap(&mut self, staged: &mut Self) {
                std::mem::swap(self, staged);
            }

            #[inline]
            fn fresh() -> Self {
                $zero
            }

            fn save_fresh(out: &mut Vec<u8>) -> Result<(), SaveError> {
                <Self as Field<B>>::save(&$zero, out)
            }

            #[inline]
            fn reset(&mut self) {
                *self = $zero;
            }
            $($bulk)*
        }

        impl<B> Value<B> for $type {}
    };
}

plain!(bool, Bool, false, |value, out| out.push(u8::from(value)), |reader| reader.bool()?);
plain!(i8, I8, 0, |value, out| out.push(value.cast_unsigned()), |reader| {
    reader.byte()?.cast_signed()
});
plain!(u16, U16, 0, |value, out| put_varint(out, u64::from(value)), |reader| {
    reader.varint(16)? as Self
});
plain!(u32, U32, 0, |value, out| put_varint(out, u64::from(value)), |reader| {
    reader.varint(32)? as Self
});
plain!(u64, U64, 0, |value, out| put_varint(out, value), |reader| reader.varint(64)?);
plain!(u128, U128, 0, |value, out| put_varint_u128(out, value), |reader| reader.varint_u128()?);
plain!(i16, I16, 0, |value, out| put_varint(out, zigzag(i64::from(value))), |reader| {
    unzigzag(reader.varint(16)?) as Self
});
plain!(i32, I32, 0, |value, out| put_varint(out, zigzag(i64::from(value))), |reader| {
    unzigzag(reader.varint(32)?) as Self
});
plain!(i64, I64, 0, |value, out| put_varint(out, zigzag(value)), |reader| {
    unzigzag(reader.varint(64)?)
});
plain!(i128, I128, 0, |value, out| put_varint_u128(out, zigzag_i128(value)), |reader| {
    unzigzag_i128(reader.varint_u128()?)
});
plain!(
    f32,
    F32,
    0.0,
    |value, out| out.extend_from_slice(&value.to_bits().to_le_bytes()),
    |reader| Self::from_bits(u32::from_le_bytes(*reader.array()?))
);
plain!(
    f64,
    F64,
    0.0,
    |value, out| out.extend_from_slice(&value.to_bits().to_le_bytes()),
    |reader| Self::from_bits(u64::from_le_bytes(*reader.array()?))
);
plain!(
    u8,
    U8,
    0,
    |value, out| out.push(value),
    |reader| reader.byte()?,
    fn save_slice(items: &[Self], out: &mut Vec<u8>) -> Result<(), SaveError> {
        out.extend_from_slice(items);
        Ok(())
    },
    #[inline]
    fn load_array<const N: usize>(reader: &mut Reader<'_>) -> Result<[Self; N], LoadError> {
        Ok(*reader.array::<N>()?)
    },
    fn load_vec(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Self>, LoadError> {
        let bytes = reader.take(count)?;
        let mut items = Vec::new();
        reserve(&mut items, count, reader)?;
        items.extend_from_slice(bytes);
        Ok(items)
    }
);

impl<B, T: Field<B>, const N: usize> Field<B> for [T; N] {
    type Staged = [T::Staged; N];
    const KIND: KindDef = KindDef::Array(&T::KIND, N);
    const MAY_BE_EMPTY: bool = N == 0 || T::MAY_BE_EMPTY;

    #[inline]
    fn save(&self, out: &mut Vec<u8>) -> Result<(), SaveError> {
        T::save_slice(self, out)
    }

    #[inline]
    fn load(reader: &mut Reader<'_>) -> Result<Self::Staged, LoadError> {
        T::load_array::<N>(reader)
    }

    fn swap(&mut self, staged: &mut Self::Staged) {
        for (live, staged) in self.iter_mut().zip(staged) {
            live.swap(staged);
        }
    }

    fn fresh() -> Self::Staged {
        std::array::from_fn(|_| T::fresh())
    }

    fn load_boxed(reader: &mut Reader<'_>) -> Result<Box<Self::Staged>, LoadError> {
        T::load_vec(reader, N).map(boxed)
    }

    fn fresh_boxed() -> Box<Self::Staged> {
        boxed((0..N).map(|_| T::fresh()).collect())
    }

    fn save_fresh(out: &mut Vec<u8>) -> Result<(), SaveError> {
        (0..N).try_for_each(|_| T::save_fresh(out))
    }

    fn reset(&mut self) {
        self.iter_mut().for_each(T::reset);
    }

    fn check(&self, staged: &Self::Staged) -> Result<(), LoadError> {
        for (index, (live, staged)) in self.iter().zip(staged).enumerate() {
            live.check(staged).map_err(|e| e.within_element(index))?;
        }
        Ok(())
    }

    fn adopt(&self, staged: &mut Self::Staged) -> Result<(), LoadError> {
        let mut verdict = Ok(());
        for (index, (live, staged)) in self.iter().zip(staged).enumerate() {
            verdict = verdict.and(live.adopt(staged).map_err(|e| e.within_element(index)));
        }
        verdict
    }

    fn agree(&mut self, staged: &Self::Staged) -> Result<(), LoadError> {
        for (index, (live, staged)) in self.iter_mut().zip(staged).enumerate() {
            live.agree(staged).map_err(|e| e.within_element(index))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), LoadError> {
        for (index, item) in self.iter_mut().enumerate() {
            item.finish().map_err(|e| e.within_element(index))?;
        }
        Ok(())
    }

    fn rebuild(&mut self) {
        self.iter_mut().for_each(T::rebuild);
    }
}

impl<B, T: Value<B>, const N: usize> Value<B> for [T; N] {}

fn boxed<T, const N: usize>(items: Vec<T>) -> Box<[T; N]> {
    match items.into_boxed_slice().try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("there are {N} of them"),
    }
}

/// Transparent: the pointer is not on the wire.
impl<B, T: Field<B>> Field<B> for Box<T> {
    type Staged = Box<T::Staged>;
    const KIND: KindDef = T::KIND;
    const MAY_BE_EMPTY: bool = T::MAY_BE_EMPTY;

    fn save(&self, out: &mut Vec<u8>) -> Result<(), SaveError> {
        (**self).save(out)
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self::Staged, LoadError> {
        T::load_boxed(reader)
    }

    fn swap(&mut self, staged: &mut Self::Staged) {
        (**self).swap(staged);
    }

    fn fresh() -> Self::Staged {
        T::fresh_boxed()
    }

    fn save_fresh(out: &mut Vec<u8>) -> Result<(), SaveError> {
        T::save_fresh(out)
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn check(&self, staged: &Self::Staged) -> Result<(), LoadError> {
        (**self).check(staged)
    }

    fn adopt(&self, staged: &mut Self::Staged) -> Result<(), LoadError> {
        (**self).adopt(staged)
    }

    fn agree(&mut self, staged: &Self::Staged) -> Result<(), LoadError> {
        (**self).agree(staged)
    }

    fn finish(&mut self) -> Result<(), LoadError> {
        (**self).finish()
    }

    fn rebuild(&mut self) {
        (**self).rebuild();
    }
}

impl<B, T: Value<B>> Value<B> for Box<T> {}

macro_rules! tuple {
    ($($name:ident $index:tt),+) => {
        impl<B, $($name: Field<B>),+> Field<B> for ($($name,)+) {
            type Staged = ($($name::Staged,)+);
            const KIND: KindDef = KindDef::Tuple(&[$($name::KIND),+]);
            const MAY_BE_EMPTY: bool = $($name::MAY_BE_EMPTY)&&+;

            fn save(&self, out: &mut Vec<u8>) -> Result<(), SaveError> {
                $(self.$index.save(out).map_err(|e| e.within(stringify!($index)))?;)+
                Ok(())
            }

            fn load(reader: &mut Reader<'_>) -> Result<Self::Staged, LoadError> {
                Ok(($($name::load(reader).map_err(|e| e.within(stringify!($index)))?,)+))
            }

            fn swap(&mut self, staged: &mut Self::Staged) {
                $(self.$index.swap(&mut staged.$index);)+
            }

            fn fresh() -> Self::Staged {
                ($($name::fresh(),)+)
            }

            fn save_fresh(out: &mut Vec<u8>) -> Result<(), SaveError> {
                $($name::save_fresh(out)?;)+
                Ok(())
            }

            fn reset(&mut self) {
                $(self.$index.reset();)+
            }

            fn check(&self, staged: &Self::Staged) -> Result<(), LoadError> {
                $(self.$index.check(&staged.$index).map_err(|e| e.within(stringify!($index)))?;)+
                Ok(())
            }

            fn adopt(&self, staged: &mut Self::Staged) -> Result<(), LoadError> {
                Ok(())
                    $(.and(self.$index.adopt(&mut staged.$index).map_err(|e| e.within(stringify!($index)))))+
            }

            fn agree(&mut self, staged: &Self::Staged) -> Result<(), LoadError> {
                $(self.$index.agree(&staged.$index).map_err(|e| e.within(stringify!($index)))?;)+
                Ok(())
            }

            fn finish(&mut self) -> Result<(), LoadError> {
                $(self.$index.finish().map_err(|e| e.within(stringify!($index)))?;)+
                Ok(())
            }

            fn rebuild(&mut self) {
                $(self.$index.rebuild();)+
            }
        }

        impl<B, $($name: Value<B>),+> Value<B> for ($($name,)+) {}
    };
}

tuple!(T0 0);
tuple!(T0 0, T1 1);
tuple!(T0 0, T1 1, T2 2);
tuple!(T0 0, T1 1, T2 2, T3 3);
tuple!(T0 0, T1 1, T2 2, T3 3, T4 4);
tuple!(T0 0, T1 1, T2 2, T3 3, T4 4, T5 5);
