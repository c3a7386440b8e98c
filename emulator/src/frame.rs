//! What generated code reaches in a processor beside its registers.
//!
//! Every processor embeds one [`Frame`] and generated code holds one pointer, to the processor; so
//! each field is one load at a constant offset away. It is plain data with a fixed layout that the
//! translator alone writes.
//!
//! Nothing here is guest state: it is never saved, and dropping all of it changes nothing that a
//! guest can see.

/// The fields; offsets inside it are what generated code is made with.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Frame {
    /// Why generated code left, see `translate`; 0 when it left through an exit.
    pub(crate) exit: u64,
    /// Instructions of the block that were counted but not run.
    pub(crate) skipped: u64,
    /// Offset inside the page of the instruction to go on with.
    pub(crate) offset: u64,
    /// Values for a call of an architecture's function.
    pub(crate) values: [u64; 3],
    /// Result of the last call into Rust.
    pub(crate) result: u64,
    /// Address of the jump table of the mode that runs.
    pub(crate) jumps: u64,
    /// Address of guest memory while generated code runs.
    pub(crate) memory: u64,
    /// Code addresses of the shims.
    pub(crate) load_shim: u64,
    pub(crate) store_shim: u64,
    pub(crate) call_shim: u64,
    /// Slow accesses made, for statistics.
    pub(crate) misses: u64,
}
