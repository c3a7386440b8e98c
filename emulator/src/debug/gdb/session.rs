//! One GDB, from its connection to its leaving.

use gdbstub::{
    common::{Signal, Tid},
    stub::{
        DisconnectReason, GdbStub, GdbStubBuilder, GdbStubError, MultiThreadStopReason,
        state_machine::GdbStubStateMachine,
    },
    target::ext::base::reverse_exec::ReplayLogPosition,
};

use crate::debug::{BreakpointKind, DebugError, Reason, Stop, monitor::Session};

use super::{
    Stub,
    breakpoints::watch_kind,
    connection::{Came, Wire},
    tid_of,
};

/// Bytes of the largest packet, from GDB or to it.
const PACKET_BYTES: usize = 32 << 10;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// GDB let go of the machine.
    Detached,
    /// The connection was lost.
    Lost,
    /// GDB killed the machine.
    Killed,
    /// The guest switched the machine off.
    PowerOff {
        /// Exit code.
        code: u8,
    },
    /// A monitor command asked for the end of the program.
    Quit,
}

/// Serves one GDB over `wire` until it leaves. Its stop points are gone afterwards.
///
/// # Errors
/// [`DebugError::Subject`] when the machine failed.
pub fn serve(session: &mut Session, wire: Wire) -> Result<Ending, DebugError> {
    let outcome = drive(session, wire);
    session.engine.clear_stops();
    outcome
}

fn drive(session: &mut Session, mut wire: Wire) -> Result<Ending, DebugError> {
    let heart = wire.heart();
    let builder: GdbStubBuilder<'_, Stub<'_>, Wire> = GdbStub::builder(wire);
    let built = builder.packet_buffer_size(PACKET_BYTES).build();
    let gdb = built.map_err(|error| DebugError::Subject(error.to_string()))?;
    let mut stub = Stub::new(session, heart);
    let mut state = match gdb.run_state_machine(&mut stub) {
        Ok(state) => state,
        Err(error) => return lost(error),
    };
    loop {
        let next = match state {
            GdbStubStateMachine::Idle(mut idle) => {
                if stub.session.quit {
                    return Ok(Ending::Quit);
                }
                let Some(byte) = idle.borrow_conn().next_byte() else {
                    return Ok(gone("GDB closed it"));
                };
                match idle.incoming_data(&mut stub, byte) {
                    // An interrupt that crossed a stop on its way has got what it wanted.
                    Ok(GdbStubStateMachine::CtrlCInterrupt(interrupt)) => {
                        let none = None::<MultiThreadStopReason<u64>>;
                        interrupt.interrupt_handled(&mut stub, none)
                    }
                    other => other,
                }
            }
            GdbStubStateMachine::Running(mut running) => {
                let stop = running.borrow_conn().while_running(|| stub.carry_out())?;
                if stop.reason == Reason::Interrupted {
                    match running.borrow_conn().waiting() {
                        Came::Byte(byte) => running.incoming_data(&mut stub, byte),
                        // Raised late for bytes that were read before the machine ran: go on.
                        Came::Nothing => Ok(running.into()),
                        Came::End => return Ok(gone("GDB closed it while the machine ran")),
                    }
                } else {
                    let replaying = stub.session.engine.is_replay();
                    running.report_stop(&mut stub, stop_reason(&stop, replaying))
                }
            }
            GdbStubStateMachine::CtrlCInterrupt(interrupt) => {
                let tid = tid_of(stub.session.engine.focus());
                let stop = MultiThreadStopReason::SignalWithThread { tid, signal: Signal::SIGINT };
                interrupt.interrupt_handled(&mut stub, Some(stop))
            }
            GdbStubStateMachine::Disconnected(mut gone) => {
                let ending = ending(gone.get_reason());
                if ending == Ending::Killed {
                    // gdbstub answers nothing, and GDB would take it for a broken line.
                    gone.borrow_conn().say_goodbye();
                }
                return Ok(ending);
            }
        };
        state = match next {
            Ok(state) => state,
            Err(error) => return lost(error),
        };
    }
}

/// The connection was lost; the log says why.
fn gone(why: &str) -> Ending {
    tracing::warn!(target: "debug", "the connection with GDB is lost: {why}");
    Ending::Lost
}

fn ending(reason: DisconnectReason) -> Ending {
    match reason {
        DisconnectReason::Disconnect => Ending::Detached,
        DisconnectReason::Kill => Ending::Killed,
        DisconnectReason::TargetExited(code) => Ending::PowerOff { code },
        DisconnectReason::TargetTerminated(_) => Ending::Lost,
    }
}

/// What an error of gdbstub means: the machine's goes up, a bad packet or a broken line ends the
/// session.
fn lost(error: GdbStubError<DebugError, std::io::Error>) -> Result<Ending, DebugError> {
    if error.is_target_error() {
        return match error.into_target_error() {
            Some(error) => Err(error),
            None => Ok(Ending::Lost),
        };
    }
    tracing::warn!(target: "debug", "gdb session ended: {error}");
    Ok(Ending::Lost)
}

/// A stop in GDB's words.
fn stop_reason(stop: &Stop, replaying: bool) -> MultiThreadStopReason<u64> {
    let tid: Tid = tid_of(stop.hart);
    let log = |pos| MultiThreadStopReason::ReplayLog { tid: Some(tid), pos };
    match &stop.reason {
        Reason::Done => MultiThreadStopReason::SignalWithThread { tid, signal: Signal::SIGTRAP },
        Reason::Interrupted => {
            MultiThreadStopReason::SignalWithThread { tid, signal: Signal::SIGINT }
        }
        Reason::Breakpoint { kind: BreakpointKind::Hardware, .. } => {
            MultiThreadStopReason::HwBreak(tid)
        }
        Reason::Breakpoint { kind: BreakpointKind::Software, .. } => {
            MultiThreadStopReason::SwBreak(tid)
        }
        // GDB knows no breakpoint there: a plain signal, or it would go on by itself.
        Reason::Breakpoint { kind: BreakpointKind::Monitor, .. } => {
            MultiThreadStopReason::SignalWithThread { tid, signal: Signal::SIGTRAP }
        }
        Reason::Watchpoint { addr, access } => {
            MultiThreadStopReason::Watch { tid, kind: watch_kind(*access), addr: *addr }
        }
        Reason::Begin => log(ReplayLogPosition::Begin),
        // The end of a recording is no exit: one may walk back from it.
        Reason::End => log(ReplayLogPosition::End),
        Reason::PowerOff { .. } if replaying => log(ReplayLogPosition::End),
        Reason::PowerOff { code } => MultiThreadStopReason::Exited(*code),
    }
}
