//! Hashing and keeping RAM beside the running guest.
//!
//! A digest and a checkpoint want all pages that were written since the one before, as they are at
//! one position. The memory copies them on write ([`GuestMemory::begin_capture`]); this module
//! fetches the copies in bites between slices and hands them to a thread that hashes them, and
//! compresses them when they are for a checkpoint; what that gives comes back a piece at a time. So the
//! guest stands still for milliseconds at most, however large it is.

use std::{
    sync::mpsc::{Receiver, Sender, TryRecvError, channel},
    thread::JoinHandle,
};

use crate::{
    clock::Position,
    digest::PageTree,
    journal::PackedPiece,
    memory::{CapturedPages, GuestMemory, PageSet},
};

use super::checkpoint::Draft;

/// Pages copied in one bite: a tenth of a millisecond.
const BITE: usize = 128;

/// Bites under way to the thread at most. Their room is used again and again: a page of the host that is
/// touched for the first time costs more than copying into it.
const MOST_BITES: usize = 16;

/// What the thread is told.
#[derive(Debug)]
enum Work {
    /// A capture begins, for the checkpoint whose draft is given.
    Begin(Option<Draft>),
    /// Copies of the capture.
    Pages(CapturedPages),
    /// That was all.
    End,
}

/// What a capture gives.
#[derive(Debug)]
pub(super) enum Captured {
    /// Pages of the checkpoint that begins at this position.
    Pages(Position, PackedPiece),
    /// That was all.
    Whole {
        /// Root over RAM at the position of the capture.
        root: u128,
        /// The state of the checkpoint, if it was for one, with its position.
        checkpoint: Option<(Position, Vec<PackedPiece>)>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Free,
    /// Pages are still to be copied.
    Copying,
    /// The thread is at work.
    Awaiting,
}

/// Captures one after the other.
#[derive(Debug)]
pub(super) struct Capturer {
    /// Pages written since the last capture, but for those of the present epoch.
    unhashed: PageSet,
    /// Pages written since the last checkpoint, but for those of the present epoch.
    unsaved: PageSet,
    phase: Phase,
    work: Option<Sender<Work>>,
    /// What the next bites are copied into.
    spare: Vec<CapturedPages>,
    /// Bites that the thread is done with.
    returned: Receiver<CapturedPages>,
    done: Receiver<Captured>,
    thread: Option<JoinHandle<()>>,
}

impl Capturer {
    /// For a memory of which nothing has been captured yet. Begins an epoch of it.
    pub(super) fn new(memory: &GuestMemory) -> Self {
        let (work, jobs) = channel();
        let (results, done) = channel();
        let (used, returned) = channel();
        let pages = memory.page_count();
        let thread = std::thread::spawn(move || keep(pages, &jobs, &used, &results));
        let touched = memory.touched_pages();
        drop(memory.begin_epoch(false));
        Self {
            unhashed: touched.clone(),
            unsaved: touched,
            phase: Phase::Free,
            work: Some(work),
            spare: (0..MOST_BITES).map(|_| CapturedPages::default()).collect(),
            returned,
            done,
            thread: Some(thread),
        }
    }

    /// Begins a capture of `memory` as it is now, for a checkpoint if there is a draft of one.
    ///
    /// # Panics
    /// When the one before has not been completed.
    pub(super) fn begin(&mut self, memory: &GuestMemory, draft: Option<Draft>) {
        assert!(self.phase == Phase::Free, "one capture at a time");
        memory.add_dirty_pages(&mut self.unhashed);
        memory.add_dirty_pages(&mut self.unsaved);
        let hashed = std::mem::take(&mut self.unhashed);
        let pages = if draft.is_some() { std::mem::take(&mut self.unsaved) } else { hashed };
        memory.begin_capture(pages);
        self.phase = Phase::Copying;
        self.send(Work::Begin(draft));
    }

    /// Whether nothing is under way.
    pub(super) fn is_free(&self) -> bool {
        self.phase == Phase::Free
    }

    /// Copies the next bite, and looks whether the thread has something.
    pub(super) fn advance(&mut self, memory: &GuestMemory) -> Option<Captured> {
        if self.phase == Phase::Copying {
            let spare = self.spare.pop().or_else(|| self.returned.try_recv().ok());
            // Without one, the thread has enough to do.
            if let Some(spare) = spare {
                self.copy(memory, spare);
            }
        }
        if self.phase == Phase::Free {
            return None;
        }
        match self.done.try_recv() {
            Ok(captured) => Some(self.note(captured)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => self.join(),
        }
    }

    /// Completes the capture, if there is one, however long that takes: to be called until it gives
    /// nothing more.
    pub(super) fn complete(&mut self, memory: &GuestMemory) -> Option<Captured> {
        while self.phase == Phase::Copying {
            match self.spare.pop().map_or_else(|| self.returned.recv(), Ok) {
                Ok(spare) => self.copy(memory, spare),
                Err(_) => return self.join(),
            }
        }
        if self.phase == Phase::Free {
            return None;
        }
        match self.done.recv() {
            Ok(captured) => Some(self.note(captured)),
            Err(_) => self.join(),
        }
    }

    fn copy(&mut self, memory: &GuestMemory, mut copies: CapturedPages) {
        if memory.capture_some(BITE, &mut copies) {
            self.send(Work::Pages(copies));
        } else {
            self.spare.push(copies);
            self.phase = Phase::Awaiting;
            self.send(Work::End);
        }
    }

    fn note(&mut self, captured: Captured) -> Captured {
        if matches!(captured, Captured::Whole { .. }) {
            self.phase = Phase::Free;
        }
        captured
    }

    fn send(&mut self, work: Work) {
        if self.work.as_ref().is_none_or(|sender| sender.send(work).is_err()) {
            self.join();
        }
    }

    /// The thread ends only when it is told, or by a panic, which goes on here.
    fn join(&mut self) -> Option<Captured> {
        self.work = None;
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        None
    }
}

impl Drop for Capturer {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            // Its panic, if any, has nobody to go to any more.
            drop(thread.join());
        }
    }
}

/// The thread: hashes and compresses until nobody can send any more.
fn keep(
    page_count: usize,
    jobs: &Receiver<Work>,
    used: &Sender<CapturedPages>,
    results: &Sender<Captured>,
) {
    let mut tree = PageTree::new(page_count);
    let mut draft: Option<Draft> = None;
    // Nobody takes the results of a recording that was given up.
    let send = |captured| drop(results.send(captured));
    for work in jobs {
        match work {
            Work::Begin(begun) => draft = begun,
            Work::Pages(copies) => {
                for (page, content) in copies.iter() {
                    tree.set(page, content);
                }
                if let Some(draft) = &mut draft {
                    let position = draft.position();
                    for piece in draft.add(&copies) {
                        send(Captured::Pages(position, piece));
                    }
                }
                drop(used.send(copies));
            }
            Work::End => {
                let checkpoint = draft.take().map(|draft| {
                    let position = draft.position();
                    let (pages, state) = draft.finish();
                    if let Some(piece) = pages {
                        send(Captured::Pages(position, piece));
                    }
                    (position, state)
                });
                send(Captured::Whole { root: tree.root(), checkpoint });
            }
        }
    }
}
