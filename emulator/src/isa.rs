//! Guest architectures: one folder each, and what they are all written in.

pub mod emit;
pub mod riscv;
