//! Registers: the `g` packet and single registers.
//!
//! `g` carries the first feature of the table, the general registers; GDB asks for the others one by
//! one when it needs them, which keeps a step's traffic small with hundreds of control registers.

use std::num::NonZeroUsize;

use gdbstub::{
    arch::{RegId, Registers},
    common::Tid,
    target::{TargetError, TargetResult, ext::base::single_register_access::SingleRegisterAccess},
};

use crate::{debug::DebugError, vcpu::Architecture};

use super::{Stub, hart_of};

/// GDB's error number for something that is not there (`EINVAL`).
const INVALID: u8 = 22;

/// GDB's error number for something that is not allowed (`EPERM`).
const REFUSED: u8 = 1;

/// The content of a `g` packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RegisterFile {
    pub(super) pc: u64,
    pub(super) bytes: Vec<u8>,
}

impl Registers for RegisterFile {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.pc
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        for byte in &self.bytes {
            write_byte(Some(*byte));
        }
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.bytes = bytes.to_vec();
        Ok(())
    }
}

/// A register's number in the architecture's table, which is its number in GDB too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RegisterNumber(pub(super) usize);

impl RegId for RegisterNumber {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        Some((Self(id), None))
    }

    fn to_raw_id(&self) -> Option<usize> {
        Some(self.0)
    }
}

/// Number of registers in a `g` packet.
fn general_count(architecture: &Architecture) -> usize {
    architecture.features.first().map_or(0, |feature| feature.registers.len())
}

/// How a refusal looks in the protocol. The text does not fit into it; the log has it.
pub(super) fn refusal(error: DebugError) -> TargetError<DebugError> {
    tracing::debug!(target: "debug", "refused: {error}");
    match error {
        DebugError::Replaying => TargetError::Errno(REFUSED),
        DebugError::Subject(_) => TargetError::Fatal(error),
        _ => TargetError::Errno(INVALID),
    }
}

/// The register's bytes in the guest's order.
fn to_bytes(value: u128, bits: u32, little_endian: bool) -> Vec<u8> {
    let mut bytes = value.to_le_bytes()[..bits as usize / 8].to_vec();
    if !little_endian {
        bytes.reverse();
    }
    bytes
}

fn from_bytes(bytes: &[u8], little_endian: bool) -> Option<u128> {
    let mut buffer = [0; 16];
    buffer.get_mut(..bytes.len())?.copy_from_slice(bytes);
    if !little_endian {
        buffer[..bytes.len()].reverse();
    }
    Some(u128::from_le_bytes(buffer))
}

impl Stub<'_> {
    pub(super) fn read_general(
        &mut self,
        file: &mut RegisterFile,
        tid: Tid,
    ) -> TargetResult<(), Self> {
        let architecture = self.engine().architecture();
        file.bytes.clear();
        for number in 0..general_count(architecture) {
            let read = self.engine().read_register(hart_of(tid), number).map_err(refusal)?;
            let (register, value) = read;
            file.bytes.extend(to_bytes(value, register.bits, architecture.little_endian));
        }
        Ok(())
    }

    pub(super) fn write_general(
        &mut self,
        file: &RegisterFile,
        tid: Tid,
    ) -> TargetResult<(), Self> {
        let architecture = self.engine().architecture();
        let mut rest = file.bytes.as_slice();
        for number in 0..general_count(architecture) {
            let (register, present) =
                self.engine().read_register(hart_of(tid), number).map_err(refusal)?;
            let Some((bytes, behind)) = rest.split_at_checked(register.bits as usize / 8) else {
                return Err(TargetError::Errno(INVALID));
            };
            rest = behind;
            let value =
                from_bytes(bytes, architecture.little_endian).ok_or(TargetError::Errno(INVALID))?;
            // GDB writes all to change one; the others may not be writable.
            if value != present {
                self.engine().write_register(hart_of(tid), number, value).map_err(refusal)?;
            }
        }
        Ok(())
    }
}

impl SingleRegisterAccess<Tid> for Stub<'_> {
    fn read_register(
        &mut self,
        tid: Tid,
        number: RegisterNumber,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let little_endian = self.engine().architecture().little_endian;
        let (register, value) =
            self.engine().read_register(hart_of(tid), number.0).map_err(refusal)?;
        let bytes = to_bytes(value, register.bits, little_endian);
        let place = buffer.get_mut(..bytes.len()).ok_or(TargetError::NonFatal)?;
        place.copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write_register(
        &mut self,
        tid: Tid,
        number: RegisterNumber,
        bytes: &[u8],
    ) -> TargetResult<(), Self> {
        let little_endian = self.engine().architecture().little_endian;
        let value = from_bytes(bytes, little_endian).ok_or(TargetError::Errno(INVALID))?;
        self.engine().write_register(hart_of(tid), number.0, value).map_err(refusal)
    }
}
