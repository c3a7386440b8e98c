//! Guest architectures: one folder each, and what they are all written in.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "architecture code cuts fields out of registers and instructions all the time"
)]

pub mod code;
pub mod emit;
pub mod guest;
pub mod riscv;
