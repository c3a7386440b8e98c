//! The devices, one file each, in no way tied to a board, and the list of them.
//!
//! A device adds its file, a line here and its state to [`types`](crate::types); what must hold for all
//! of them (fuzzing, the restore property, the rules of the tree) iterates these lists.

use crate::device::fuzz::Make;

pub mod aclint;
pub mod goldfish_rtc;
pub mod htif;
pub mod ns16550a;
pub mod plic;
pub mod sifive_test;
pub mod virtio_mmio;

/// Every device by model, made as a board does it.
pub const DEVICES: &[(&str, Make)] = &[
    ("riscv-aclint", || Box::new(aclint::Aclint::new(aclint::MAX_HARTS, 100))),
    ("goldfish-rtc", || Box::new(goldfish_rtc::GoldfishRtc::default())),
    ("htif", || Box::new(htif::Htif::new(htif::Place { tohost: 0x1000, fromhost: Some(0x1040) }))),
    ("ns16550a", || Box::new(ns16550a::Ns16550a::default())),
    ("sifive-plic", || Box::new(plic::Plic::new(plic::MAX_CONTEXTS))),
    ("sifive-test", || Box::new(sifive_test::SifiveTest::default())),
    ("virtio-mmio", || Box::new(virtio_mmio::VirtioMmioSlot::default())),
];
