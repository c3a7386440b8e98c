//! How the engine runs, and what it did.

/// When regions are compiled. The guest sees no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compilation {
    /// On another thread while the interpreter goes on.
    #[default]
    Background,
    /// On the spot, before going on.
    AtOnce,
    /// On the spot, but used only so many dispatches later (for tests).
    Delayed {
        /// Dispatches that a result is held back.
        dispatches: u32,
    },
}

/// The engine's parameters. None of them is visible to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Times that a block is entered before it is worth compiling; at least 1.
    pub threshold: u32,
    /// When to compile.
    pub compilation: Compilation,
    /// Segments that code memory consists of, at least 2; the oldest is given up when all are full.
    pub code_segments: usize,
    /// Size of a segment in bytes, a multiple of 4096 and at least 1 MiB.
    pub segment_bytes: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            threshold: 3000,
            compilation: Compilation::default(),
            code_segments: 8,
            segment_bytes: 8 << 20,
        }
    }
}

/// What the engine did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Steps that the interpreter took.
    pub interpreted_steps: u64,
    /// Steps that translated code took.
    pub translated_steps: u64,
    /// Times that translated code was entered from the dispatcher.
    pub entries: u64,
    /// Regions compiled.
    pub regions: u64,
    /// Guest instructions in them.
    pub instructions: u64,
    /// Bytes of host code in them.
    pub code_bytes: u64,
    /// Host time spent compiling, in nanoseconds.
    pub compile_ns: u64,
    /// Accesses of translated code that missed the soft TLB.
    pub misses: u64,
    /// Regions dropped because their code was written.
    pub invalidated: u64,
    /// Regions dropped to make room.
    pub evicted: u64,
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "steps: {} translated, {} interpreted",
            self.translated_steps, self.interpreted_steps
        )?;
        writeln!(
            f,
            "regions: {} compiled ({} instructions, {} bytes, {}.{:03} ms), {} invalidated, {} evicted",
            self.regions,
            self.instructions,
            self.code_bytes,
            self.compile_ns / 1_000_000,
            self.compile_ns / 1_000 % 1_000,
            self.invalidated,
            self.evicted,
        )?;
        write!(f, "entries: {}, TLB misses: {}", self.entries, self.misses)
    }
}
