//! The instructions of RV64 but for floating point: one line each.
//!
//! Source: RISC-V Unprivileged ISA 20240411, "RV32/64G Instruction Set Listings", and the chapters
//! of the extensions; Privileged Architecture 1.13, "RISC-V Privileged Instruction Set Listings".
//!
//! A line holds: identifier, mnemonic, mask and match of the word, operand format, the feature it
//! needs, then the semantics: `emit` a function generic over the emitter with its fixed arguments,
//! or `exact` a function of the interpreter, for what needs exact position, control registers or
//! devices.

use super::features::Features;
use super::instruction::{Format, Instruction, Operands};
use super::interpreter::{Interpreter, Step, Stop};
use super::semantics::{self as s, Amo, Bit};
use super::system as x;
use crate::bus::Width;
use crate::isa::emit::{Binary, Condition, Emitter, Unary};

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// Which.
    pub id: Id,
    /// As assemblers write it.
    pub mnemonic: &'static str,
    /// The bits that say that it is this one.
    pub mask: u32,
    /// Their values.
    pub bits: u32,
    /// Its operands.
    pub format: Format,
    /// What the processor has to have.
    pub needs: Features,
    /// Whether only the interpreter runs it.
    pub exact: bool,
}

macro_rules! instructions {
    ($($id:ident $mnemonic:literal $mask:literal $bits:literal $format:ident $needs:ident
        $kind:ident $module:ident::$function:ident $(($($argument:expr),*))?;)*) => {
        /// The instructions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[expect(missing_docs, reason = "the table says what they are")]
        pub enum Id { $($id),* }

        /// All of them, in the order of [`Id`].
        pub static PATTERNS: &[Pattern] = &[$(Pattern {
            id: Id::$id,
            mnemonic: $mnemonic,
            mask: $mask,
            bits: $bits,
            format: Format::$format,
            needs: instructions!(@needs $needs),
            exact: instructions!(@is_exact $kind),
        }),*];

        /// The semantics, for both engines. `exact` instructions do nothing here.
        ///
        /// # Errors
        /// What the emitter stops with.
        #[inline(always)]
        pub fn emit<E: Emitter>(e: &mut E, id: Id, o: &Operands, pc: u64) -> Result<(), E::Stop> {
            match id {
                $(Id::$id => instructions!(
                    @emit $kind e o pc $module::$function $(($($argument),*))?),)*
            }
        }

        /// The semantics for the interpreter's hot path: every arm computes the pc only if it
        /// needs it, and knows that registers are numbered below 32.
        #[inline(always)]
        pub(super) fn interpret(
            step: &mut Step<'_, '_>,
            id: Id,
            o: &Operands,
            instruction: &Instruction,
        ) -> Result<(), Stop> {
            let o = &o.masked();
            match id {
                $(Id::$id => instructions!(
                    @step $kind step instruction o $module::$function $(($($argument),*))?),)*
            }
        }

        /// Runs an `exact` instruction.
        pub(super) fn execute_exact(
            i: &mut Interpreter<'_, '_>,
            id: Id,
            o: &Operands,
        ) -> Result<(), Stop> {
            match id {
                $(Id::$id => instructions!(
                    @exact $kind i o $module::$function $(($($argument),*))?),)*
            }
        }
    };
    (@needs BASE) => { Features::empty() };
    (@needs $needs:ident) => { Features::$needs };
    (@is_exact emit) => { false };
    (@is_exact exact) => { true };
    (@emit emit $e:ident $o:ident $pc:ident $m:ident::$f:ident $(($($a:expr),*))?) => {
        $m::$f($e, $o, $pc $($(, $a)*)?)
    };
    (@emit exact $($rest:tt)*) => { Ok(()) };
    (@step emit $s:ident $i:ident $o:ident $m:ident::$f:ident $(($($a:expr),*))?) => {{
        let pc = $s.pc();
        $m::$f($s, $o, pc $($(, $a)*)?)
    }};
    (@step exact $s:ident $i:ident $($rest:tt)*) => { $s.exact($i) };
    (@exact exact $i:ident $o:ident $m:ident::$f:ident $(($($a:expr),*))?) => {
        $m::$f($i, $o $($(, $a)*)?)
    };
    (@exact emit $($rest:tt)*) => { Ok(()) };
}

instructions! {
    // RV64I
    Lui "lui" 0x0000007f 0x00000037 U BASE emit s::load_upper;
    Auipc "auipc" 0x0000007f 0x00000017 U BASE emit s::auipc;
    Jal "jal" 0x0000007f 0x0000006f J BASE emit s::jump;
    Jalr "jalr" 0x0000707f 0x00000067 Load BASE emit s::jump_register;
    Beq "beq" 0x0000707f 0x00000063 B BASE emit s::branch(Condition::Equal);
    Bne "bne" 0x0000707f 0x00001063 B BASE emit s::branch(Condition::NotEqual);
    Blt "blt" 0x0000707f 0x00004063 B BASE emit s::branch(Condition::LessSigned);
    Bge "bge" 0x0000707f 0x00005063 B BASE emit s::branch(Condition::NotLessSigned);
    Bltu "bltu" 0x0000707f 0x00006063 B BASE emit s::branch(Condition::LessUnsigned);
    Bgeu "bgeu" 0x0000707f 0x00007063 B BASE emit s::branch(Condition::NotLessUnsigned);
    Lb "lb" 0x0000707f 0x00000003 Load BASE emit s::load(Width::Byte, true);
    Lh "lh" 0x0000707f 0x00001003 Load BASE emit s::load(Width::Half, true);
    Lw "lw" 0x0000707f 0x00002003 Load BASE emit s::load(Width::Word, true);
    Ld "ld" 0x0000707f 0x00003003 Load BASE emit s::load(Width::Double, true);
    Lbu "lbu" 0x0000707f 0x00004003 Load BASE emit s::load(Width::Byte, false);
    Lhu "lhu" 0x0000707f 0x00005003 Load BASE emit s::load(Width::Half, false);
    Lwu "lwu" 0x0000707f 0x00006003 Load BASE emit s::load(Width::Word, false);
    Sb "sb" 0x0000707f 0x00000023 S BASE emit s::store(Width::Byte);
    Sh "sh" 0x0000707f 0x00001023 S BASE emit s::store(Width::Half);
    Sw "sw" 0x0000707f 0x00002023 S BASE emit s::store(Width::Word);
    Sd "sd" 0x0000707f 0x00003023 S BASE emit s::store(Width::Double);
    Addi "addi" 0x0000707f 0x00000013 I BASE emit s::immediate(Binary::Add);
    Slti "slti" 0x0000707f 0x00002013 I BASE emit s::less_immediate(Condition::LessSigned);
    Sltiu "sltiu" 0x0000707f 0x00003013 I BASE emit s::less_immediate(Condition::LessUnsigned);
    Xori "xori" 0x0000707f 0x00004013 I BASE emit s::immediate(Binary::Xor);
    // The prefetches are ori to x0, and stand first.
    PrefetchI "prefetch.i" 0x01f07fff 0x00006013 Prefetch ZICBOP emit s::nothing;
    PrefetchR "prefetch.r" 0x01f07fff 0x00106013 Prefetch ZICBOP emit s::nothing;
    PrefetchW "prefetch.w" 0x01f07fff 0x00306013 Prefetch ZICBOP emit s::nothing;
    Ori "ori" 0x0000707f 0x00006013 I BASE emit s::immediate(Binary::Or);
    Andi "andi" 0x0000707f 0x00007013 I BASE emit s::immediate(Binary::And);
    Slli "slli" 0xfc00707f 0x00001013 Shift BASE emit s::immediate(Binary::ShiftLeft);
    Srli "srli" 0xfc00707f 0x00005013 Shift BASE emit s::immediate(Binary::ShiftRight);
    Srai "srai" 0xfc00707f 0x40005013 Shift BASE emit s::immediate(Binary::ShiftRightSigned);
    Add "add" 0xfe00707f 0x00000033 R BASE emit s::binary(Binary::Add);
    Sub "sub" 0xfe00707f 0x40000033 R BASE emit s::binary(Binary::Sub);
    Sll "sll" 0xfe00707f 0x00001033 R BASE emit s::binary(Binary::ShiftLeft);
    Slt "slt" 0xfe00707f 0x00002033 R BASE emit s::less(Condition::LessSigned);
    Sltu "sltu" 0xfe00707f 0x00003033 R BASE emit s::less(Condition::LessUnsigned);
    Xor "xor" 0xfe00707f 0x00004033 R BASE emit s::binary(Binary::Xor);
    Srl "srl" 0xfe00707f 0x00005033 R BASE emit s::binary(Binary::ShiftRight);
    Sra "sra" 0xfe00707f 0x40005033 R BASE emit s::binary(Binary::ShiftRightSigned);
    Or "or" 0xfe00707f 0x00006033 R BASE emit s::binary(Binary::Or);
    And "and" 0xfe00707f 0x00007033 R BASE emit s::binary(Binary::And);
    Addiw "addiw" 0x0000707f 0x0000001b I BASE emit s::immediate_word(Binary::Add);
    Slliw "slliw" 0xfe00707f 0x0000101b ShiftW BASE emit s::immediate_word(Binary::ShiftLeft);
    Srliw "srliw" 0xfe00707f 0x0000501b ShiftW BASE emit s::immediate_word(Binary::ShiftRight);
    Sraiw "sraiw" 0xfe00707f 0x4000501b ShiftW BASE
        emit s::immediate_word(Binary::ShiftRightSigned);
    Addw "addw" 0xfe00707f 0x0000003b R BASE emit s::binary_word(Binary::Add);
    Subw "subw" 0xfe00707f 0x4000003b R BASE emit s::binary_word(Binary::Sub);
    Sllw "sllw" 0xfe00707f 0x0000103b R BASE emit s::binary_word(Binary::ShiftLeft);
    Srlw "srlw" 0xfe00707f 0x0000503b R BASE emit s::binary_word(Binary::ShiftRight);
    Sraw "sraw" 0xfe00707f 0x4000503b R BASE emit s::binary_word(Binary::ShiftRightSigned);
    // One hart runs at a time and memory is coherent with fetches: fences need nothing.
    Fence "fence" 0x0000707f 0x0000000f Fence BASE emit s::nothing;
    FenceI "fence.i" 0x0000707f 0x0000100f None BASE emit s::nothing;
    Ecall "ecall" 0xffffffff 0x00000073 None BASE exact x::environment_call;
    Ebreak "ebreak" 0xffffffff 0x00100073 None BASE exact x::breakpoint;
    // M
    Mul "mul" 0xfe00707f 0x02000033 R M emit s::binary(Binary::Multiply);
    Mulh "mulh" 0xfe00707f 0x02001033 R M emit s::binary(Binary::MultiplyHighSigned);
    Mulhsu "mulhsu" 0xfe00707f 0x02002033 R M emit s::binary(Binary::MultiplyHighMixed);
    Mulhu "mulhu" 0xfe00707f 0x02003033 R M emit s::binary(Binary::MultiplyHighUnsigned);
    Div "div" 0xfe00707f 0x02004033 R M emit s::binary(Binary::DivideSigned);
    Divu "divu" 0xfe00707f 0x02005033 R M emit s::binary(Binary::DivideUnsigned);
    Rem "rem" 0xfe00707f 0x02006033 R M emit s::binary(Binary::RemainderSigned);
    Remu "remu" 0xfe00707f 0x02007033 R M emit s::binary(Binary::RemainderUnsigned);
    Mulw "mulw" 0xfe00707f 0x0200003b R M emit s::binary_word(Binary::Multiply);
    Divw "divw" 0xfe00707f 0x0200403b R M emit s::binary_word(Binary::DivideSigned);
    Divuw "divuw" 0xfe00707f 0x0200503b R M emit s::binary_word(Binary::DivideUnsigned);
    Remw "remw" 0xfe00707f 0x0200603b R M emit s::binary_word(Binary::RemainderSigned);
    Remuw "remuw" 0xfe00707f 0x0200703b R M emit s::binary_word(Binary::RemainderUnsigned);
    // A
    LrW "lr.w" 0xf9f0707f 0x1000202f LoadReserved A emit s::load_reserved(Width::Word);
    ScW "sc.w" 0xf800707f 0x1800202f Amo A emit s::store_conditional(Width::Word);
    AmoswapW "amoswap.w" 0xf800707f 0x0800202f Amo A emit s::amo(Width::Word, Amo::Swap);
    AmoaddW "amoadd.w" 0xf800707f 0x0000202f Amo A
        emit s::amo(Width::Word, Amo::Of(Binary::Add));
    AmoxorW "amoxor.w" 0xf800707f 0x2000202f Amo A
        emit s::amo(Width::Word, Amo::Of(Binary::Xor));
    AmoandW "amoand.w" 0xf800707f 0x6000202f Amo A
        emit s::amo(Width::Word, Amo::Of(Binary::And));
    AmoorW "amoor.w" 0xf800707f 0x4000202f Amo A emit s::amo(Width::Word, Amo::Of(Binary::Or));
    AmominW "amomin.w" 0xf800707f 0x8000202f Amo A
        emit s::amo(Width::Word, Amo::Of(Binary::MinSigned));
    AmomaxW "amomax.w" 0xf800707f 0xa000202f Amo A
        emit s::amo(Width::Word, Amo::Of(Binary::MaxSigned));
    AmominuW "amominu.w" 0xf800707f 0xc000202f Amo A
        emit s::amo(Width::Word, Amo::Of(Binary::MinUnsigned));
    AmomaxuW "amomaxu.w" 0xf800707f 0xe000202f Amo A
        emit s::amo(Width::Word, Amo::Of(Binary::MaxUnsigned));
    LrD "lr.d" 0xf9f0707f 0x1000302f LoadReserved A emit s::load_reserved(Width::Double);
    ScD "sc.d" 0xf800707f 0x1800302f Amo A emit s::store_conditional(Width::Double);
    AmoswapD "amoswap.d" 0xf800707f 0x0800302f Amo A emit s::amo(Width::Double, Amo::Swap);
    AmoaddD "amoadd.d" 0xf800707f 0x0000302f Amo A
        emit s::amo(Width::Double, Amo::Of(Binary::Add));
    AmoxorD "amoxor.d" 0xf800707f 0x2000302f Amo A
        emit s::amo(Width::Double, Amo::Of(Binary::Xor));
    AmoandD "amoand.d" 0xf800707f 0x6000302f Amo A
        emit s::amo(Width::Double, Amo::Of(Binary::And));
    AmoorD "amoor.d" 0xf800707f 0x4000302f Amo A
        emit s::amo(Width::Double, Amo::Of(Binary::Or));
    AmominD "amomin.d" 0xf800707f 0x8000302f Amo A
        emit s::amo(Width::Double, Amo::Of(Binary::MinSigned));
    AmomaxD "amomax.d" 0xf800707f 0xa000302f Amo A
        emit s::amo(Width::Double, Amo::Of(Binary::MaxSigned));
    AmominuD "amominu.d" 0xf800707f 0xc000302f Amo A
        emit s::amo(Width::Double, Amo::Of(Binary::MinUnsigned));
    AmomaxuD "amomaxu.d" 0xf800707f 0xe000302f Amo A
        emit s::amo(Width::Double, Amo::Of(Binary::MaxUnsigned));
    // Zicsr
    Csrrw "csrrw" 0x0000707f 0x00001073 Csr BASE exact x::csr_write;
    Csrrs "csrrs" 0x0000707f 0x00002073 Csr BASE exact x::csr_set;
    Csrrc "csrrc" 0x0000707f 0x00003073 Csr BASE exact x::csr_clear;
    Csrrwi "csrrwi" 0x0000707f 0x00005073 CsrImmediate BASE exact x::csr_write_immediate;
    Csrrsi "csrrsi" 0x0000707f 0x00006073 CsrImmediate BASE exact x::csr_set_immediate;
    Csrrci "csrrci" 0x0000707f 0x00007073 CsrImmediate BASE exact x::csr_clear_immediate;
    // Privileged
    Sret "sret" 0xffffffff 0x10200073 None BASE exact x::supervisor_return;
    Mret "mret" 0xffffffff 0x30200073 None BASE exact x::machine_return;
    Wfi "wfi" 0xffffffff 0x10500073 None BASE exact x::wait_for_interrupt;
    SfenceVma "sfence.vma" 0xfe007fff 0x12000073 Two BASE exact x::fence_translations;
    SinvalVma "sinval.vma" 0xfe007fff 0x16000073 Two SVINVAL exact x::fence_translations;
    SfenceWInval "sfence.w.inval" 0xffffffff 0x18000073 None SVINVAL
        exact x::order_invalidations;
    SfenceInvalIr "sfence.inval.ir" 0xffffffff 0x18100073 None SVINVAL
        exact x::order_invalidations;
    // Zicbom, Zicboz
    CboInval "cbo.inval" 0xfff07fff 0x0000200f Address ZICBOM exact x::block_invalidate;
    CboClean "cbo.clean" 0xfff07fff 0x0010200f Address ZICBOM exact x::block_clean;
    CboFlush "cbo.flush" 0xfff07fff 0x0020200f Address ZICBOM exact x::block_clean;
    CboZero "cbo.zero" 0xfff07fff 0x0040200f Address ZICBOZ exact x::block_zero;
    // Zba
    AddUw "add.uw" 0xfe00707f 0x0800003b R ZBA emit s::shift_add(0, true);
    Sh1add "sh1add" 0xfe00707f 0x20002033 R ZBA emit s::shift_add(1, false);
    Sh2add "sh2add" 0xfe00707f 0x20004033 R ZBA emit s::shift_add(2, false);
    Sh3add "sh3add" 0xfe00707f 0x20006033 R ZBA emit s::shift_add(3, false);
    Sh1addUw "sh1add.uw" 0xfe00707f 0x2000203b R ZBA emit s::shift_add(1, true);
    Sh2addUw "sh2add.uw" 0xfe00707f 0x2000403b R ZBA emit s::shift_add(2, true);
    Sh3addUw "sh3add.uw" 0xfe00707f 0x2000603b R ZBA emit s::shift_add(3, true);
    SlliUw "slli.uw" 0xfc00707f 0x0800101b Shift ZBA emit s::shift_left_unsigned_word;
    // Zbb
    Andn "andn" 0xfe00707f 0x40007033 R ZBB emit s::binary_inverted(Binary::And);
    Orn "orn" 0xfe00707f 0x40006033 R ZBB emit s::binary_inverted(Binary::Or);
    Xnor "xnor" 0xfe00707f 0x40004033 R ZBB emit s::xnor;
    Clz "clz" 0xfff0707f 0x60001013 Unary ZBB emit s::unary(Unary::LeadingZeros);
    Ctz "ctz" 0xfff0707f 0x60101013 Unary ZBB emit s::unary(Unary::TrailingZeros);
    Cpop "cpop" 0xfff0707f 0x60201013 Unary ZBB emit s::unary(Unary::Ones);
    Clzw "clzw" 0xfff0707f 0x6000101b Unary ZBB emit s::leading_zeros_word;
    Ctzw "ctzw" 0xfff0707f 0x6010101b Unary ZBB emit s::trailing_zeros_word;
    Cpopw "cpopw" 0xfff0707f 0x6020101b Unary ZBB emit s::ones_word;
    Max "max" 0xfe00707f 0x0a006033 R ZBB emit s::binary(Binary::MaxSigned);
    Maxu "maxu" 0xfe00707f 0x0a007033 R ZBB emit s::binary(Binary::MaxUnsigned);
    Min "min" 0xfe00707f 0x0a004033 R ZBB emit s::binary(Binary::MinSigned);
    Minu "minu" 0xfe00707f 0x0a005033 R ZBB emit s::binary(Binary::MinUnsigned);
    SextB "sext.b" 0xfff0707f 0x60401013 Unary ZBB emit s::unary(Unary::SignExtend8);
    SextH "sext.h" 0xfff0707f 0x60501013 Unary ZBB emit s::unary(Unary::SignExtend16);
    ZextH "zext.h" 0xfff0707f 0x0800403b Unary ZBB emit s::unary(Unary::ZeroExtend16);
    Rol "rol" 0xfe00707f 0x60001033 R ZBB emit s::binary(Binary::RotateLeft);
    Ror "ror" 0xfe00707f 0x60005033 R ZBB emit s::binary(Binary::RotateRight);
    Rori "rori" 0xfc00707f 0x60005013 Shift ZBB emit s::immediate(Binary::RotateRight);
    Rolw "rolw" 0xfe00707f 0x6000103b R ZBB emit s::rotate_word(true);
    Rorw "rorw" 0xfe00707f 0x6000503b R ZBB emit s::rotate_word(false);
    Roriw "roriw" 0xfe00707f 0x6000501b ShiftW ZBB emit s::rotate_word_immediate;
    OrcB "orc.b" 0xfff0707f 0x28705013 Unary ZBB emit s::or_combine;
    Rev8 "rev8" 0xfff0707f 0x6b805013 Unary ZBB emit s::unary(Unary::ReverseBytes);
    // Zbs
    Bclr "bclr" 0xfe00707f 0x48001033 R ZBS emit s::single_bit(Bit::Clear, false);
    Bclri "bclri" 0xfc00707f 0x48001013 Shift ZBS emit s::single_bit(Bit::Clear, true);
    Bext "bext" 0xfe00707f 0x48005033 R ZBS emit s::single_bit(Bit::Extract, false);
    Bexti "bexti" 0xfc00707f 0x48005013 Shift ZBS emit s::single_bit(Bit::Extract, true);
    Binv "binv" 0xfe00707f 0x68001033 R ZBS emit s::single_bit(Bit::Invert, false);
    Binvi "binvi" 0xfc00707f 0x68001013 Shift ZBS emit s::single_bit(Bit::Invert, true);
    Bset "bset" 0xfe00707f 0x28001033 R ZBS emit s::single_bit(Bit::Set, false);
    Bseti "bseti" 0xfc00707f 0x28001013 Shift ZBS emit s::single_bit(Bit::Set, true);
    // Zicond
    CzeroEqz "czero.eqz" 0xfe00707f 0x0e005033 R ZICOND
        emit s::conditional_zero(Condition::Equal);
    CzeroNez "czero.nez" 0xfe00707f 0x0e007033 R ZICOND
        emit s::conditional_zero(Condition::NotEqual);
}
