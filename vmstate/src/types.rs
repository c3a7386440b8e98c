//! One list of a crate's deriving types, from which everything that must hold for all of them follows.

use crate::define::TypeDef;
use crate::instance::Instance;

/// A listed type.
#[derive(Clone, Copy, Debug)]
pub struct TypeEntry {
    /// Its definition.
    pub def: &'static TypeDef,
    /// Makes one to test with.
    pub make: fn() -> Box<dyn Instance>,
}

/// Lists the deriving types of a crate, once, in any module: `Type` for plain values, `Type = value`
/// for types with wiring.
///
/// Yields `pub const VMSTATE_TYPES: &[TypeEntry]`, compile-time checks of generic instances against
/// the lock, and the tests `vmstate_lock` (freezes with `VMSTATE_FREEZE=1`) and `vmstate_properties`.
///
/// ```
/// use vmstate::VmState;
///
/// #[derive(VmState)]
/// #[vmstate(version = 1)]
/// pub struct Timer {
///     deadline_ns: u64,
/// }
///
/// #[derive(VmState)]
/// #[vmstate(version = 1)]
/// pub struct Uart {
///     #[vmstate(skip("host side"))]
///     output: Vec<u8>,
///     divisor: u16,
/// }
///
/// vmstate::types![Timer, Uart = Uart { output: Vec::new(), divisor: 0 }];
/// # fn main() {
/// assert_eq!(VMSTATE_TYPES[1].def.name, "Uart");
/// # }
/// ```
#[macro_export]
macro_rules! types {
    ($($type:ty $(= $make:expr)?),* $(,)?) => {
        /// The deriving types of this crate.
        pub const VMSTATE_TYPES: &[$crate::TypeEntry] = &[$(
            $crate::TypeEntry {
                def: &<$type as $crate::VmState>::DEF,
                make: || $crate::__private::Box::new($crate::types!(@make $type $(, $make)?)),
            }
        ),*];

        $(const _: () = <$type as $crate::VmState>::DEF.assert_instance_released(::core::concat!(
            "a released version of `", ::core::stringify!($type),
            "` changed (vmstate.lock): restore it and raise `version`",
        ));)*

        #[cfg(test)]
        #[test]
        fn vmstate_lock() {
            let lock = ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/vmstate.lock");
            $crate::__private::lock_test(VMSTATE_TYPES, lock);
        }

        #[cfg(test)]
        #[test]
        fn vmstate_properties() {
            $crate::property::assert_all(VMSTATE_TYPES);
        }
    };
    (@make $type:ty) => { <$type as $crate::__private::Listed>::make() };
    (@make $type:ty, $make:expr) => { $make };
}
