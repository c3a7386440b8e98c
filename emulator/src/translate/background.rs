//! The compiler, on a thread of its own or on the caller's.
//!
//! A compiler gets decoded instructions and addresses only: it never looks at guest memory, so what
//! the guest does meanwhile cannot disturb it. Whether its result still fits is decided by whoever
//! asked, when the result is installed.

use super::{
    TranslatorError,
    config::Compilation,
    emission::emit_region,
    host::{Host, region_signature},
    plan::Plan,
};
use crate::isa::guest::Guest;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Instant,
};

/// A region to compile.
#[derive(Debug)]
pub(super) struct Job<I> {
    pub(super) number: u64,
    pub(super) plan: Plan<I>,
    /// Address of its exit slots.
    pub(super) slots: u64,
}

/// A region that was compiled.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) number: u64,
    /// The code and the pcs that its exit slots are for; `None` when it could not be made.
    pub(super) code: Option<(Vec<u8>, Vec<u64>)>,
    /// Host time that it took, for statistics only.
    pub(super) compile_ns: u64,
}

/// Compiles one region.
fn compile<G: Guest>(host: &mut Host, job: &Job<G::Instruction>) -> Made {
    let start = Instant::now();
    let host_fuses = host.has_fused_multiply_add();
    let mut exits = Vec::new();
    let code = host.compile(region_signature(), |builder| {
        exits = emit_region::<G>(builder, &job.plan, job.slots, host_fuses);
    });
    let code = code.ok().map(<[u8]>::to_vec).map(|code| (code, exits));
    let compile_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Made { number: job.number, code, compile_ns }
}

/// Where jobs go and results come from.
pub(super) enum Compiler<G: Guest> {
    /// At once, on the caller's thread.
    Here {
        /// Its compiler.
        host: Box<Host>,
        /// Results not yet collected, and after how many more polls each may be.
        made: VecDeque<(u32, Made)>,
        /// Polls that a result is held back.
        delay: u32,
    },
    /// On another thread.
    There {
        /// Jobs out; `None` once it was told to stop.
        jobs: Option<mpsc::Sender<Job<G::Instruction>>>,
        /// Results in.
        made: mpsc::Receiver<Made>,
        /// Results that wait in `made`.
        ready: Arc<AtomicUsize>,
        /// The thread.
        thread: Option<JoinHandle<()>>,
    },
}

impl<G: Guest> std::fmt::Debug for Compiler<G> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Here { .. } => "Compiler::Here",
            Self::There { .. } => "Compiler::There",
        })
    }
}

impl<G: Guest> Compiler<G> {
    pub(super) fn new(host: Host, compilation: Compilation) -> Result<Self, TranslatorError> {
        let mut host = Box::new(host);
        let delay = match compilation {
            Compilation::AtOnce => 0,
            Compilation::Delayed { dispatches } => dispatches,
            Compilation::Background => {
                let (jobs, incoming) = mpsc::channel::<Job<G::Instruction>>();
                let (outgoing, made) = mpsc::channel();
                let ready = Arc::new(AtomicUsize::new(0));
                let count = Arc::clone(&ready);
                let work = move || {
                    for job in incoming {
                        if outgoing.send(compile::<G>(&mut host, &job)).is_err() {
                            break;
                        }
                        count.fetch_add(1, Ordering::Release);
                    }
                };
                let thread = std::thread::Builder::new()
                    .name("translator".to_owned())
                    .spawn(work)
                    .map_err(|source| TranslatorError::Thread { source })?;
                return Ok(Self::There { jobs: Some(jobs), made, ready, thread: Some(thread) });
            }
        };
        Ok(Self::Here { host, made: VecDeque::new(), delay })
    }

    /// Takes a job.
    pub(super) fn submit(&mut self, job: Job<G::Instruction>) {
        match self {
            Self::Here { host, made, delay } => {
                let result = compile::<G>(host, &job);
                made.push_back((*delay, result));
            }
            Self::There { jobs, .. } => {
                let sent = jobs.as_ref().map(|jobs| jobs.send(job));
                assert!(matches!(sent, Some(Ok(()))), "the translator's thread has died");
            }
        }
    }

    /// A finished region, if there is one.
    #[inline]
    pub(super) fn poll(&mut self) -> Option<Made> {
        match self {
            Self::Here { made, .. } => {
                let (wait, _) = made.front_mut()?;
                if *wait > 0 {
                    *wait -= 1;
                    return None;
                }
                made.pop_front().map(|(_, result)| result)
            }
            Self::There { made, ready, .. } => {
                if ready.load(Ordering::Acquire) == 0 {
                    return None;
                }
                ready.fetch_sub(1, Ordering::Relaxed);
                made.recv().ok()
            }
        }
    }
}

impl<G: Guest> Drop for Compiler<G> {
    fn drop(&mut self) {
        if let Self::There { jobs, thread, .. } = self {
            drop(jobs.take());
            if let Some(thread) = thread.take() {
                // A panic there was reported when a job was sent; here it must not abort.
                drop(thread.join());
            }
        }
    }
}
