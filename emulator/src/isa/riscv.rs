//! RISC-V, 64 bits: RVA22S64 and the extensions in [`features`].
//!
//! `instruction`, `table`, `compressed` and `decode` say what the bits mean; `semantics` and
//! `float` what an instruction does, for both engines; `system`, `csr`, `mmu`, `pmp`, `trap` and
//! `state` are the privileged architecture; `hart` and `interpreter` run it.

pub mod access;
pub mod compressed;
pub mod csr;
pub mod decode;
pub mod disassemble;
pub mod features;
pub mod float;
mod guest;
pub mod hart;
pub mod instruction;
pub mod interpreter;
pub mod mmu;
pub mod pmp;
mod processor;
mod semantics;
pub mod state;
mod system;
pub mod table;
pub mod trap;

pub use features::Features;
pub use hart::{Configuration, Hart};

#[cfg(test)]
mod tests;
