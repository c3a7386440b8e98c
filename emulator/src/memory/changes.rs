//! The log of writes that somebody has to react to.
//!
//! Every processor keeps the number of the last change that it has seen and asks for what came
//! since. The log forgets its oldest half when it grows; a reader that is so far behind has to drop
//! everything that it derived from memory, which is always right.

/// Changes that a reader may be behind before it has to drop everything.
const LIMIT: usize = 4096;

/// A write, or a change of flags, that caches of guest memory must react to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A page that held code was written: what was decoded or translated from it is stale.
    Code {
        /// Page number.
        page: usize,
    },
    /// A page table was written: what those entries map is stale.
    Table {
        /// Page number.
        page: usize,
        /// First byte written, inside the page.
        offset: u64,
        /// Bytes written, inside the page.
        bytes: u64,
    },
    /// Write tags for the page must go.
    Revoked {
        /// Page number.
        page: usize,
    },
    /// All write tags must go (a new epoch).
    RevokedAll,
    /// All read tags must go (a debugger watches other reads).
    RevokedReads,
    /// A watched range was read.
    WatchedRead {
        /// First physical address read.
        addr: u64,
        /// Bytes read.
        bytes: u64,
    },
    /// A watched range was written.
    Watched {
        /// First physical address written.
        addr: u64,
        /// Bytes written.
        bytes: u64,
    },
    /// A range that a device listens to was written.
    Mailbox,
}

/// What was logged since a reader last looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// These, oldest first.
    Since(Vec<Change>),
    /// Too many to tell: everything derived from memory is stale.
    Everything,
}

/// The log.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Number of changes that were forgotten.
    forgotten: u64,
    kept: Vec<Change>,
}

impl Log {
    pub(super) fn push(&mut self, change: Change) {
        if self.kept.len() == LIMIT {
            self.forgotten += (LIMIT / 2) as u64;
            self.kept.drain(..LIMIT / 2);
        }
        self.kept.push(change);
    }

    /// Forgets everything: each reader has to drop what it derived from memory.
    pub(super) fn forget(&mut self) {
        self.forgotten = self.count() + 1;
        self.kept.clear();
    }

    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.forgotten + self.kept.len() as u64
    }

    pub(super) fn since(&self, seen: u64) -> Changes {
        let Some(known) = seen.checked_sub(self.forgotten) else { return Changes::Everything };
        let start = usize::try_from(known).map_or(self.kept.len(), |n| n.min(self.kept.len()));
        Changes::Since(self.kept[start..].to_vec())
    }
}
