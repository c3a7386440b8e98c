//! How far a long work is, for somebody who watches from another thread.
//!
//! The watch is ambient (of the working thread), because it never changes a result: a parameter
//! through every function that reads pages or replays would say that it does. Work that is split over
//! threads takes its watch along ([`watched`]).

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Work done and expected: bytes of pages, or steps of a replay.
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

    /// Work done, and what is known to be done in all; 0 while that is unknown.
    #[must_use]
    pub fn state(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.expected.load(Ordering::Relaxed))
    }
}

/// So much more will be done.
pub fn expect(work: u64) {
    with(|progress| &progress.expected, work);
}

/// So much more is done.
pub fn advance(work: u64) {
    with(|progress| &progress.done, work);
}

/// What watches this thread, for a thread that works for it; a watch of nobody when nothing does.
#[must_use]
pub fn watched() -> Arc<Progress> {
    WATCHED.with_borrow(|watched| watched.clone().unwrap_or_default())
}

fn with(count: impl Fn(&Progress) -> &AtomicU64, work: u64) {
    WATCHED.with_borrow(|watched| {
        if let Some(progress) = watched {
            count(progress).fetch_add(work, Ordering::Relaxed);
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

    #[test]
    fn threads_that_take_the_watch_along_are_counted_too() {
        let progress = Arc::new(Progress::default());
        progress.watch(|| {
            let watched = watched();
            std::thread::scope(|scope| {
                scope.spawn(|| watched.watch(|| advance(5)));
                scope.spawn(|| advance(100));
            });
            advance(2);
        });
        assert_eq!(progress.state(), (7, 0));
    }
}
