//! CPU models: named switches of what a processor has.
//!
//! A model and its deviations are written `rva22s64,sv48=on,zba=off`; names are those of the manuals
//! in lower case. They are saved by name, so that a bit that moves between builds changes nothing.
//!
//! Always there, and therefore no switches: Zicsr, Zifencei, Zicntr, Zihpm (whose counters stand at
//! zero), Sv39, Svade (what holds where Svadu is off or not enabled), PMP.

use std::{fmt, str::FromStr};

bitflags::bitflags! {
    /// Extensions beyond RV64I with Zicsr and Zifencei, by their names in the manuals.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u64 {
        /// Multiplication and division.
        const M = 1;
        /// Atomics.
        const A = 1 << 1;
        /// Single-precision floating point.
        const F = 1 << 2;
        /// Double-precision floating point.
        const D = 1 << 3;
        /// Compressed instructions.
        const C = 1 << 4;
        /// Address generation.
        const ZBA = 1 << 5;
        /// Basic bit manipulation.
        const ZBB = 1 << 6;
        /// Single-bit instructions.
        const ZBS = 1 << 7;
        /// Cache-block management.
        const ZICBOM = 1 << 8;
        /// Cache-block prefetch hints (always legal: they are hints).
        const ZICBOP = 1 << 9;
        /// Cache-block zeroing.
        const ZICBOZ = 1 << 10;
        /// Half-precision loads, stores, moves and conversions.
        const ZFHMIN = 1 << 11;
        /// Integer conditional operations.
        const ZICOND = 1 << 12;
        /// Supervisor timer compare register.
        const SSTC = 1 << 13;
        /// Four-level page tables.
        const SV48 = 1 << 14;
        /// Hardware update of accessed and dirty bits, when `menvcfg.ADUE` says so.
        const SVADU = 1 << 15;
        /// Page-based memory types.
        const SVPBMT = 1 << 16;
        /// Fine-grained address-translation invalidation.
        const SVINVAL = 1 << 17;
    }
}

vmstate::bitflags_fields!(Features: u64);

impl Features {
    /// RV64GC with Sv39.
    pub const RV64GC: Self = Self::M.union(Self::A).union(Self::F).union(Self::D).union(Self::C);

    /// What the RVA22S64 profile makes mandatory.
    pub const RVA22S64: Self = Self::RV64GC
        .union(Self::ZBA)
        .union(Self::ZBB)
        .union(Self::ZBS)
        .union(Self::ZICBOM)
        .union(Self::ZICBOP)
        .union(Self::ZICBOZ)
        .union(Self::ZFHMIN)
        .union(Self::SVPBMT)
        .union(Self::SVINVAL);

    /// The features of the CPU model called `name`.
    #[must_use]
    pub fn of_model(name: &str) -> Option<Self> {
        MODELS.iter().find(|(model, _)| *model == name).map(|(_, features)| *features)
    }

    /// The names of the features that are on, as switches have them.
    pub fn switches(self) -> impl Iterator<Item = String> {
        self.iter_names().map(|(name, _)| name.to_lowercase())
    }

    /// The feature whose switch is called `name`.
    fn of_switch(name: &str) -> Option<Self> {
        let known = Self::all().iter_names().find(|(known, _)| known.to_lowercase() == name);
        known.map(|(_, feature)| feature)
    }
}

/// Features that are there only with another.
const NEEDS: [(Features, Features); 2] =
    [(Features::D, Features::F), (Features::ZFHMIN, Features::F)];

/// A text that names no CPU.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeaturesError {
    /// No such model.
    #[error("no CPU model is called `{name}`; there are {known}")]
    Model {
        /// The name given.
        name: String,
        /// What there is.
        known: String,
    },
    /// No such switch.
    #[error("no feature is called `{name}`; there are {known}")]
    Feature {
        /// The name given.
        name: String,
        /// What there is.
        known: String,
    },
    /// Not `NAME=on` or `NAME=off`.
    #[error("`{0}` is no switch; write NAME=on or NAME=off")]
    Switch(String),
    /// What every model has.
    #[error("{0} cannot be switched off: every model has it")]
    Fixed(String),
    /// A combination that no processor has.
    #[error("{feature} needs {needed}")]
    Needs {
        /// What is on.
        feature: String,
        /// What is off.
        needed: String,
    },
}

impl FromStr for Features {
    type Err = FeaturesError;

    fn from_str(text: &str) -> Result<Self, FeaturesError> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let mut features = Self::of_model(name).ok_or_else(|| FeaturesError::Model {
            name: name.to_owned(),
            known: MODELS.map(|(model, _)| model).join(", "),
        })?;
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, "on")) => (name, true),
                Some((name, "off")) => (name, false),
                _ => return Err(FeaturesError::Switch(part.to_owned())),
            };
            let feature = Self::of_switch(name).ok_or_else(|| FeaturesError::Feature {
                name: name.to_owned(),
                known: Self::all().switches().collect::<Vec<_>>().join(", "),
            })?;
            features.set(feature, value);
        }
        let name = |feature: Self| feature.switches().collect();
        // Without it, jumps to half-words would have to trap.
        if !features.contains(Self::C) {
            return Err(FeaturesError::Fixed(name(Self::C)));
        }
        match NEEDS.iter().find(|(one, other)| features & (*one | *other) == *one) {
            Some(&(one, other)) => {
                Err(FeaturesError::Needs { feature: name(one), needed: name(other) })
            }
            None => Ok(features),
        }
    }
}

impl fmt::Display for Features {
    /// The model that is closest, and what differs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let distance = |features: Self| (features ^ *self).bits().count_ones();
        let closest = MODELS.iter().min_by_key(|(_, features)| distance(*features));
        let (model, features) = closest.expect("there are models");
        write!(f, "{model}")?;
        for feature in (*features ^ *self).iter() {
            let (name, value) = (feature.switches().next(), self.contains(feature));
            let value = if value { "on" } else { "off" };
            write!(f, ",{}={value}", name.unwrap_or_default())?;
        }
        Ok(())
    }
}

/// CPU models by name.
pub const MODELS: [(&str, Features); 3] =
    [("rv64gc", Features::RV64GC), ("rva22s64", Features::RVA22S64), ("max", Features::all())];

impl Default for Features {
    fn default() -> Self {
        Self::RVA22S64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_a_model_and_switches_by_name() {
        for (text, features) in [
            ("rv64gc", Features::RV64GC),
            ("rva22s64", Features::RVA22S64),
            ("max", Features::all()),
            ("rva22s64,sv48=on", Features::RVA22S64 | Features::SV48),
            (
                "rva22s64,zicond=on,sstc=on,svadu=on",
                Features::RVA22S64 | Features::ZICOND | Features::SSTC | Features::SVADU,
            ),
            ("rva22s64,zba=off", Features::RVA22S64 - Features::ZBA),
            ("rv64gc,d=off,f=off", Features::M | Features::A | Features::C),
        ] {
            assert_eq!(text.parse(), Ok(features), "{text}");
            assert_eq!(features.to_string().parse(), Ok(features), "{features}");
        }
    }

    #[test]
    fn what_names_no_cpu_is_refused_with_what_there_is() {
        for (text, message) in [
            ("", "no CPU model is called ``; there are rv64gc, rva22s64, max"),
            ("rv32", "no CPU model is called `rv32`"),
            ("rv64gc,v=on", "no feature is called `v`; there are m, a, f, d, c, zba"),
            ("rv64gc,zba", "`zba` is no switch; write NAME=on or NAME=off"),
            ("rv64gc,zba=1", "`zba=1` is no switch"),
            ("rv64gc,f=off", "d needs f"),
            ("rv64gc,c=off", "c cannot be switched off"),
            ("rva22s64,d=off,f=off", "zfhmin needs f"),
        ] {
            let error = text.parse::<Features>().expect_err(text).to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }
}
