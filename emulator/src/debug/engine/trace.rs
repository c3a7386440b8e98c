//! What ran: an instruction a line, with the registers that it changed.

use crate::{
    clock::Position,
    debug::{DebugError, Halt, Heed, Show},
    vcpu::Register,
};

use super::Engine;

/// One step of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Position in front of the step.
    pub position: Position,
    /// The hart that took it.
    pub hart: usize,
    /// Where the hart stood.
    pub pc: u64,
    /// The instruction there, if it is one.
    pub instruction: Option<String>,
    /// Registers that the step changed, but for the program counter, with their new values.
    pub changed: Vec<(&'static str, u128)>,
}

impl std::fmt::Display for Traced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let instruction = self.instruction.as_deref().unwrap_or("?");
        write!(f, "{:>12}  hart {}  {:#018x}  ", Show(self.position), self.hart, self.pc)?;
        if self.changed.is_empty() {
            return f.write_str(instruction);
        }
        write!(f, "{instruction:<36}")?;
        for (name, value) in &self.changed {
            write!(f, " {name}={value:#x}")?;
        }
        Ok(())
    }
}

impl Engine {
    /// Tells every step from `from` to `to`, and puts the machine back.
    ///
    /// # Errors
    /// [`DebugError::Live`], [`DebugError::Outside`], [`DebugError::Interrupted`].
    pub fn trace(
        &mut self,
        from: Position,
        to: Position,
        tell: &mut dyn FnMut(&Traced),
    ) -> Result<(), DebugError> {
        self.at(from, |engine| {
            while engine.position() < to {
                if !engine.trace_step(to, tell)? {
                    break;
                }
            }
            Ok(())
        })?
    }

    /// One step; false at the end.
    fn trace_step(
        &mut self,
        to: Position,
        tell: &mut dyn FnMut(&Traced),
    ) -> Result<bool, DebugError> {
        let position = self.position();
        let harts = 0..self.subject.hart_count();
        let taken: Vec<_> = harts.clone().map(|hart| self.subject.hart_steps(hart)).collect();
        let places: Vec<_> = harts
            .clone()
            .map(|hart| {
                let pc = self.subject.hart(hart).pc();
                (pc, self.instruction_at(hart, pc).map(|(text, _)| text), self.values(hart))
            })
            .collect();
        let behind = Position::at_steps(position.steps + 1).min(to);
        let halt = self.subject.run(behind, Heed::Nothing, &self.attention)?;
        if halt == Halt::Interrupted {
            return Err(DebugError::Interrupted);
        }
        let stepped = harts.into_iter().find(|hart| self.subject.hart_steps(*hart) != taken[*hart]);
        if let Some(hart) = stepped
            && let Some((pc, instruction, before)) = places.into_iter().nth(hart)
        {
            let changed = self
                .values(hart)
                .into_iter()
                .zip(before)
                .filter(|(now, before)| now.1 != before.1)
                .map(|((register, value), _)| (register.name, value))
                .collect();
            tell(&Traced { position, hart, pc, instruction, changed });
        }
        Ok(halt == Halt::Until)
    }

    /// General and floating-point registers; counters and other control registers change at every
    /// step and say nothing.
    fn values(&self, hart: usize) -> Vec<(&'static Register, u128)> {
        let architecture = self.architecture();
        let shown = architecture.features.iter().take(2).flat_map(|feature| feature.registers);
        let clock = self.subject.clock();
        shown
            .enumerate()
            .filter(|(number, _)| *number != architecture.pc)
            .filter_map(|(number, register)| {
                let value = self.subject.hart(hart).read_register(number, clock)?;
                Some((register, value))
            })
            .collect()
    }
}
