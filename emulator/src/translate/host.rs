//! The thin layer between this crate and Cranelift: turns one function into bytes.
//!
//! Cranelift's interface changes monthly, so its set-up stands here and nowhere else. The context
//! and the builder are reused from function to function: their allocations are most of the cost of
//! small compilations. Code is compiled without relocations (all addresses are data), so the bytes
//! can be copied anywhere.

use super::TranslatorError;
use cranelift_codegen::{
    Context,
    control::ControlPlane,
    ir::{AbiParam, Signature, types::I64},
    isa::{CallConv, OwnedTargetIsa},
    settings::{self, Configurable},
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

/// Settings that differ from Cranelift's defaults, and why.
const SETTINGS: &[(&str, &str)] = &[
    // Measured: optimised code runs no faster here and costs 30% more to make.
    ("opt_level", "none"),
    ("enable_verifier", "false"),
    ("unwind_info", "false"),
    // Tail calls on x86-64 are only sound with frame pointers.
    ("preserve_frame_pointers", "true"),
    // Guest memory has no unmapped first page to fault on and no stack to probe.
    ("enable_probestack", "false"),
];

/// A compiler for the machine that this process runs on. One for each thread that compiles.
pub(crate) struct Host {
    isa: OwnedTargetIsa,
    context: Context,
    builder: FunctionBuilderContext,
    code: Vec<u8>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Host").field("isa", &self.isa.name()).finish_non_exhaustive()
    }
}

impl Host {
    /// A compiler for this host's processor with the features it has.
    ///
    /// # Errors
    /// [`TranslatorError::Host`] when Cranelift cannot generate code for this processor.
    pub(crate) fn new() -> Result<Self, TranslatorError> {
        let unsupported = |reason: String| TranslatorError::Host { reason };
        if !cfg!(target_arch = "x86_64") {
            // Others need their instruction caches told of new code, which the arena does not do.
            return Err(unsupported(format!("{} is not supported yet", std::env::consts::ARCH)));
        }
        let mut flags = settings::builder();
        for (name, value) in SETTINGS {
            flags.set(name, value).map_err(|error| unsupported(error.to_string()))?;
        }
        let isa = cranelift_native::builder()
            .map_err(|reason| unsupported(reason.to_owned()))?
            .finish(settings::Flags::new(flags))
            .map_err(|error| unsupported(error.to_string()))?;
        Ok(Self {
            isa,
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
            code: Vec::new(),
        })
    }

    /// Whether a fused multiply-add is an instruction here rather than a library call.
    pub(crate) fn has_fused_multiply_add(&self) -> bool {
        self.isa
            .isa_flags()
            .iter()
            .any(|flag| flag.name == "has_fma" && flag.as_bool() == Some(true))
    }

    /// Compiles one function: `build` fills it in, all its blocks are sealed afterwards. The bytes
    /// stay until the next call.
    ///
    /// # Errors
    /// [`TranslatorError::Compile`] when Cranelift refuses the function (too large, for instance).
    pub(crate) fn compile(
        &mut self,
        signature: Signature,
        build: impl FnOnce(&mut FunctionBuilder<'_>),
    ) -> Result<&[u8], TranslatorError> {
        self.context.clear();
        self.context.func.signature = signature;
        let mut builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        build(&mut builder);
        builder.seal_all_blocks();
        builder.finalize(self.isa.frontend_config());
        let compiled = self
            .context
            .compile(&*self.isa, &mut ControlPlane::default())
            .map_err(|error| TranslatorError::Compile { reason: error.inner.to_string() })?;
        assert!(compiled.buffer.relocs().is_empty(), "generated code refers to nothing by name");
        self.code.clear();
        self.code.extend_from_slice(compiled.code_buffer());
        Ok(&self.code)
    }
}

/// A signature of `params` 64-bit parameters and, perhaps, a 64-bit result.
pub(crate) fn signature(convention: CallConv, params: usize, returns: bool) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params.extend(std::iter::repeat_n(AbiParam::new(I64), params));
    signature.returns.extend(returns.then(|| AbiParam::new(I64)));
    signature
}

/// What every region looks like: `(processor, steps left, pc) -> steps left`. Regions leave by
/// tail calls, so any number of them run in one frame.
pub(crate) fn region_signature() -> Signature {
    signature(CallConv::Tail, 3, true)
}

/// A call from generated code into Rust that keeps all registers: four parameters, no result
/// (results travel through the processor's frame).
pub(crate) fn shim_signature() -> Signature {
    signature(CallConv::PreserveAll, 4, false)
}
