//! How far a long work on snapshots is, for somebody who watches from another thread.
//!
//! The watch is ambient (of the working thread), because it never changes a result: a parameter
//! through every function that reads or writes pages would say that it does.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes done and expected.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    expected: AtomicU64,
}

thread_local! {
    static WATCHED: RefCell<Option<Arc<Progress>>> = const { RefCell::new(None) };
}

impl Progress {
    /// Does `work` and notes here how far it is.
    pub fn watch<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        /// Puts back what was watched before, whatever happens.
        struct Before(Option<Arc<Progress>>);
        impl Drop for Before {
            fn drop(&mut self) {
                WATCHED.set(self.0.take());
            }
        }
        let _before = Before(WATCHED.replace(Some(Arc::clone(self))));
        work()
    }

    /// Bytes done, and bytes that are known to be done in all; 0 while that is unknown.
    #[must_use]
    pub fn state(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.expected.load(Ordering::Relaxed))
    }
}

/// So many more bytes will be done.
pub(super) fn expect(bytes: u64) {
    with(|progress| &progress.expected, bytes);
}

/// So many more bytes are done.
pub(super) fn advance(bytes: u64) {
    with(|progress| &progress.done, bytes);
}

fn with(count: impl Fn(&Progress) -> &AtomicU64, bytes: u64) {
    WATCHED.with_borrow(|watched| {
        if let Some(progress) = watched {
            count(progress).fetch_add(bytes, Ordering::Relaxed);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_only_while_it_is_watched() {
        let (outer, inner) = (Arc::new(Progress::default()), Arc::new(Progress::default()));
        advance(1);
        outer.watch(|| {
            expect(100);
            advance(10);
            inner.watch(|| advance(7));
            advance(20);
        });
        advance(1);
        assert_eq!((outer.state(), inner.state()), ((30, 100), (7, 0)));
    }
}
