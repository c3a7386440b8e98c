//! `Option` and the containers that grow, each under its maximum.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Field, Max, Value};
use crate::define::KindDef;
use crate::error::{LoadError, LoadProblem, SaveError, SaveProblem};
use crate::wire::{Reader, put_str, put_varint};

/// What every container of plain values does alike.
macro_rules! whole {
    ($fresh:expr) => {
        fn swap(&mut self, staged: &mut Self) {
            std::mem::swap(self, staged);
        }

        fn fresh() -> Self {
            $fresh
        }

        fn save_fresh(out: &mut Vec<u8>) -> Result<(), SaveError> {
            out.push(0);
            Ok(())
        }

        fn reset(&mut self) {
            *self = $fresh;
        }
    };
}

/// Hooks of the elements, where elements can be changed in place.
macro_rules! each {
    ($element:ident) => {
        fn finish(&mut self) -> Result<(), LoadError> {
            for (index, item) in self.iter_mut().enumerate() {
                $element::finish(item).map_err(|e| e.within_element(index))?;
            }
            Ok(())
        }

        fn rebuild(&mut self) {
            self.iter_mut().for_each($element::rebuild);
        }
    };
}

fn put_count(out: &mut Vec<u8>, count: usize, max: u64) -> Result<(), SaveError> {
    let count = count as u64;
    if count > max {
        return Err(SaveError::new(SaveProblem::TooLong { count, max }));
    }
    put_varint(out, count);
    Ok(())
}

impl<B, T: Value<B>> Field<B> for Option<T> {
    type Staged = Self;
    const KIND: KindDef = KindDef::Option(&T::KIND);

    fn save(&self, out: &mut Vec<u8>) -> Result<(), SaveError> {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.save(out)?;
            }
        }
        Ok(())
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        if reader.bool()? { T::load(reader).map(Some) } else { Ok(None) }
    }

    whole!(None);
    each!(T);
}

impl<B, T: Value<B>> Value<B> for Option<T> {}

impl<const N: u64, B, T: Value<B>> Field<Max<N, B>> for Vec<T> {
    type Staged = Self;
    const KIND: KindDef = KindDef::Seq(&T::KIND, N);

    fn save(&self, out: &mut Vec<u8>) -> Result<(), SaveError> {
        put_count(out, self.len(), N)?;
        T::save_slice(self, out)
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let count = reader.len(N, usize::from(!T::MAY_BE_EMPTY))?;
        T::load_vec(reader, count)
    }

    whole!(Self::new());
    each!(T);
}

impl<const N: u64, B, T: Value<B>> Value<Max<N, B>> for Vec<T> {}

impl<const N: u64, B, T: Value<B>> Field<Max<N, B>> for VecDeque<T> {
    type Staged = Self;
    const KIND: KindDef = KindDef::Seq(&T::KIND, N);

    fn save(&self, out: &mut Vec<u8>) -> Result<(), SaveError> {
        put_count(out, self.len(), N)?;
        let (front, back) = self.as_slices();
        T::save_slice(front, out)?;
        T::save_slice(back, out)
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        <Vec<T> as Field<Max<N, B>>>::load(reader).map(Self::from)
    }

    whole!(Self::new());
    each!(T);
}

impl<const N: u64, B, T: Value<B>> Value<Max<N, B>> for VecDeque<T> {}

impl<const N: u64, B> Field<Max<N, B>> for String {
    type Staged = Self;
    const KIND: KindDef = KindDef::String(N);

    fn save(&self, out: &mut Vec<u8>) -> Result<(), SaveError> {
        let count = self.len() as u64;
        if count > N {
            return Err(SaveError::new(SaveProblem::TooLong { count, max: N }));
        }
        put_str(out, self);
        Ok(())
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let text = reader.str(N)?;
        let mut owned = Self::new();
        owned
            .try_reserve_exact(text.len())
            .map_err(|_| reader.error(LoadProblem::OutOfMemory { bytes: text.len() }))?;
        owned.push_str(text);
        Ok(owned)
    }

    whole!(Self::new());
}

impl<const N: u64, B> Value<Max<N, B>> for String {}

impl<const N: u64, B, T: Value<B> + Ord> Field<Max<N, B>> for BTreeSet<T> {
    type Staged = Self;
    const KIND: KindDef = KindDef::Set(&T::KIND, N);

    fn save(&self, out: &mut Vec<u8>) -> Result<(), SaveError> {
        put_count(out, self.len(), N)?;
        for (index, item) in self.iter().enumerate() {
            item.save(out).map_err(|e| e.within_element(index))?;
        }
        Ok(())
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let count = reader.len(N, usize::from(!T::MAY_BE_EMPTY))?;
        let mut items = Self::new();
        for index in 0..count {
            let item = T::load(reader).map_err(|e| e.within_element(index))?;
            if items.last().is_some_and(|last| *last >= item) {
                return Err(reader.error(LoadProblem::KeysUnordered));
            }
            items.insert(item);
        }
        Ok(items)
    }

    whole!(Self::new());
}

impl<const N: u64, B, T: Value<B> + Ord> Value<Max<N, B>> for BTreeSet<T> {}

impl<const N: u64, B, K, V> Field<Max<N, B>> for BTreeMap<K, V>
where
    K: Value<B> + Ord,
    V: Value<B>,
{
    type Staged = Self;
    const KIND: KindDef = KindDef::Map(&K::KIND, &V::KIND, N);

    fn save(&self, out: &mut Vec<u8>) -> Result<(), SaveError> {
        put_count(out, self.len(), N)?;
        for (index, (key, value)) in self.iter().enumerate() {
            key.save(out).map_err(|e| e.within_element(index))?;
            value.save(out).map_err(|e| e.within_element(index))?;
        }
        Ok(())
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let count = reader.len(N, usize::from(!(K::MAY_BE_EMPTY && V::MAY_BE_EMPTY)))?;
        let mut items = Self::new();
        for index in 0..count {
            let key = K::load(reader).map_err(|e| e.within_element(index))?;
            if items.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(reader.error(LoadProblem::KeysUnordered));
            }
            items.insert(key, V::load(reader).map_err(|e| e.within_element(index))?);
        }
        Ok(items)
    }

    whole!(Self::new());

    fn finish(&mut self) -> Result<(), LoadError> {
        for (index, item) in self.values_mut().enumerate() {
            item.finish().map_err(|e| e.within_element(index))?;
        }
        Ok(())
    }

    fn rebuild(&mut self) {
        self.values_mut().for_each(V::rebuild);
    }
}

impl<const N: u64, B, K, V> Value<Max<N, B>> for BTreeMap<K, V>
where
    K: Value<B> + Ord,
    V: Value<B>,
{
}
