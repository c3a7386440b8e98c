//! A bar for what takes longer than a second: on standard error, and only if that is a terminal.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::progress::Progress;

/// What is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the bar is drawn.
const FRAME: Duration = Duration::from_millis(100);

/// Does `work` while a bar called `what` shows how far it is, or that it goes on.
pub(super) fn shown<T>(what: &str, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    let progress = Arc::new(Progress::default());
    thread::scope(|scope| {
        let (working, done) = channel::<()>();
        let watched = Arc::clone(&progress);
        scope.spawn(move || draw(what, &watched, &done));
        let result = progress.watch(work);
        drop(working);
        result
    })
}

/// Draws until the other end of `done` is gone.
fn draw(what: &str, progress: &Progress, done: &Receiver<()>) {
    let goes_on = |time| matches!(done.recv_timeout(time), Err(RecvTimeoutError::Timeout));
    if !goes_on(PATIENCE) {
        return;
    }
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    let known = "{msg} {wide_bar} {percent}% {eta}";
    let unknown = "{msg} {spinner} {elapsed}";
    loop {
        let (finished, expected) = progress.state();
        let template = if expected > 0 { known } else { unknown };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is sound"));
        bar.set_length(expected.max(finished));
        bar.set_position(finished);
        bar.tick();
        if !goes_on(FRAME) {
            break;
        }
    }
    bar.finish_and_clear();
}
