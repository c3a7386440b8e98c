//! The expansion uses nothing from its surroundings.

#![no_implicit_prelude]
#![forbid(unsafe_code)]

extern crate vmstate as renamed;

mod shadowed {
    // Names that a careless expansion would find instead of its own.
    #[allow(dead_code, reason = "they are only there to be found by mistake")]
    pub(crate) mod core {}
    #[allow(dead_code, reason = "they are only there to be found by mistake")]
    pub(crate) struct Vec;
    #[allow(dead_code, reason = "they are only there to be found by mistake")]
    pub(crate) struct Result;

    #[derive(::renamed::VmState)]
    #[vmstate(version = 2, crate = ::renamed, removed(gone: u8, until = 1, default = 0))]
    pub(crate) struct Device {
        #[vmstate(skip("wiring"))]
        pub(crate) line: bool,
        #[vmstate(cache(rebuild = |d: &Device| d.level))]
        pub(crate) mask: u8,
        #[vmstate(equal)]
        pub(crate) size: u16,
        #[vmstate(alias("height", until = 1), validate = valid)]
        pub(crate) level: u8,
        #[vmstate(since = 2, default, subsection(needed = |_: &Device| true))]
        pub(crate) extra: u8,
        #[vmstate(when = |device: &Device| device.mask & 1 == 1)]
        pub(crate) rare: u8,
        #[vmstate(flags(A = 0, B = 4), former_flags(until = 1, A = 1))]
        pub(crate) flags: u8,
        pub(crate) mode: Mode,
        pub(crate) plain: Plain,
    }

    #[derive(::renamed::VmState)]
    #[vmstate(version = 1, crate = ::renamed)]
    pub(crate) struct Plain {
        pub(crate) has_value: bool,
        #[vmstate(when = |plain: &Plain| plain.has_value)]
        pub(crate) value: u8,
    }

    fn valid(_: &u8) -> ::std::result::Result<(), &'static str> {
        ::std::result::Result::Ok(())
    }

    #[derive(::renamed::VmState)]
    #[vmstate(version = 1, crate = ::renamed)]
    pub(crate) enum Mode {
        #[vmstate(id = 0)]
        Off,
        #[vmstate(id = 1)]
        On { value: u32, pair: (u8, bool) },
    }
}

#[::core::prelude::v1::test]
fn it_works_without_prelude_and_under_another_name() {
    let mut device = shadowed::Device {
        line: true,
        mask: 0,
        size: 4,
        level: 9,
        extra: 1,
        flags: 0,
        rare: 3,
        plain: shadowed::Plain { has_value: true, value: 4 },
        mode: shadowed::Mode::On { value: 1, pair: (2, false) },
    };
    let mut bytes = ::std::vec::Vec::new();
    ::renamed::Instance::save(&device, 2, &mut bytes).expect("no hook refuses");
    device.level = 8;
    let mut staged = ::renamed::Instance::stage_newest(&device, &bytes).expect("its own");
    ::renamed::Instance::swap(&mut device, &mut staged).expect("its own");
    let error =
        ::renamed::Instance::finish(&mut device, &staged).expect_err("there is a level now");
    ::std::assert_eq!(error.path(), "rare");
    ::renamed::Instance::rebuild(&mut device);
    ::std::assert_eq!(device.mask, 9);
    ::renamed::Instance::reset(&mut device);
    ::std::assert!(device.line && device.level == 0 && device.size == 4 && device.flags == 0);
    ::std::assert!(::std::matches!(device.mode, shadowed::Mode::Off) && device.extra == 0);
}
