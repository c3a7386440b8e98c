//! The stop points of a session, and whether a halt is a stop.
//!
//! Invariant: that depends on the machine's state at the halt, and for a watched change on what the last
//! access left behind, and on nothing else; so a walk back finds exactly the stops of the walk forward.

use std::ops::Range;

use crate::{
    debug::{
        Access, Breakpoint, Halt, Reason, View, Watch, WatchHit, Watchpoint, expression::Values,
    },
    vcpu::Architecture,
};

/// Bytes of the largest watched range that is compared to find a change; in a larger one every write
/// counts as one. GDB watches a few at a time.
const MOST_COMPARED: usize = 1 << 16;

/// Bytes of the granule in which virtual addresses are looked up.
const PAGE_BYTES: u64 = 4096;

/// The stop points.
#[derive(Debug, Default)]
pub(super) struct Points {
    pub(super) breakpoints: Vec<Breakpoint>,
    pub(super) watchpoints: Vec<Watchpoint>,
    /// Physical ranges of the watchpoints, as they were when the machine was last resumed.
    pub(super) watched: Vec<(usize, Range<u64>)>,
    /// What those hold of which a change is watched, behind the last access that was looked at.
    contents: Vec<Option<Vec<u8>>>,
}

impl Points {
    /// Looks up where the watched addresses are now.
    pub(super) fn look_up(&mut self, view: &dyn View) {
        let watched = self.watchpoints.iter().enumerate().flat_map(|(index, watchpoint)| {
            let ranges = physical_ranges(view, watchpoint);
            ranges.into_iter().map(move |range| (index, range))
        });
        self.watched = watched.collect();
    }

    /// The watched ranges, and of each which accesses.
    pub(super) fn watches(&self) -> Vec<Watch> {
        let watches = self.watched.iter().map(|(index, range)| {
            let access = self.watchpoints[*index].access;
            Watch { range: range.clone(), read: access.reads(), write: access.writes() }
        });
        watches.collect()
    }

    /// Takes in what the watched ranges hold: the machine was moved.
    pub(super) fn remember(&mut self, view: &dyn View) {
        self.contents = (0..self.watched.len()).map(|index| self.content(view, index)).collect();
    }

    /// What a watched range holds, if changes of it are watched.
    fn content(&self, view: &dyn View, index: usize) -> Option<Vec<u8>> {
        let (watchpoint, range) = &self.watched[index];
        if self.watchpoints[*watchpoint].access != Access::Change {
            return None;
        }
        let bytes = usize::try_from(range.end - range.start).ok();
        let mut content = vec![0; bytes.filter(|bytes| *bytes <= MOST_COMPARED)?];
        view.read_memory(range.start, &mut content).then_some(content)
    }

    /// The stop that a halt is, with its hart; `None` for what is to be passed over.
    pub(super) fn judge(&mut self, view: &dyn View, halt: &Halt) -> Option<(usize, Reason)> {
        match halt {
            Halt::Breakpoint { hart } => Some((*hart, self.hit_breakpoint(view, *hart)?)),
            Halt::Watch { hart, hits, .. } => Some((*hart, self.hit_watchpoint(view, hits)?)),
            Halt::Until | Halt::Interrupted | Halt::End | Halt::PowerOff { .. } => None,
        }
    }

    /// The watchpoint that one of `hits` is for. The machine stands behind them.
    fn hit_watchpoint(&mut self, view: &dyn View, hits: &[WatchHit]) -> Option<Reason> {
        let mut reason = None;
        for index in 0..self.watched.len() {
            let (watchpoint, range) = &self.watched[index];
            let Watchpoint { addr, access, .. } = self.watchpoints[*watchpoint];
            let is_wanted = |hit: &WatchHit| {
                let is_kind = if hit.write { access.writes() } else { access.reads() };
                is_kind && hit.range.start < range.end && range.start < hit.range.end
            };
            if !hits.iter().any(is_wanted) {
                continue;
            }
            let content = self.content(view, index);
            let is_same = content.is_some() && content == self.contents[index];
            self.contents[index] = content;
            if access != Access::Change || !is_same {
                reason.get_or_insert(Reason::Watchpoint { addr, access });
            }
        }
        reason
    }

    /// The breakpoint at which `hart` stands and whose condition holds.
    pub(super) fn hit_breakpoint(&self, view: &dyn View, hart: usize) -> Option<Reason> {
        let pc = view.hart(hart).pc();
        self.breakpoints.iter().filter(|known| known.addr == pc).find_map(|known| {
            let complaint = match &known.condition {
                None => None,
                Some(condition) => match condition.evaluate(&HartValues { view, hart }) {
                    Ok(0) => return None,
                    Ok(_) => None,
                    Err(error) => Some(error.to_string()),
                },
            };
            Some(Reason::Breakpoint { addr: known.addr, kind: known.kind, complaint })
        })
    }
}

/// The physical ranges of a watchpoint, split at pages; what is not mapped is left out.
pub(super) fn physical_ranges(view: &dyn View, watchpoint: &Watchpoint) -> Vec<Range<u64>> {
    let Some(hart) = watchpoint.hart else {
        let end = watchpoint.addr.saturating_add(watchpoint.bytes);
        return std::iter::once(watchpoint.addr..end).collect();
    };
    pieces(watchpoint.addr, watchpoint.bytes)
        .filter_map(|(addr, bytes)| {
            let start = view.translate(hart, addr)?;
            Some(start..start + bytes)
        })
        .collect()
}

/// Reads memory; virtual under the page table of `hart`, physical when that is `None`. Returns how many
/// bytes from the start could be read.
pub(super) fn read_memory(
    view: &dyn View,
    hart: Option<usize>,
    addr: u64,
    into: &mut [u8],
) -> usize {
    let mut done = 0;
    for (addr, bytes) in pieces(addr, into.len() as u64) {
        let end = done + usize::try_from(bytes).unwrap_or(usize::MAX);
        let physical = match hart {
            Some(hart) => view.translate(hart, addr),
            None => Some(addr),
        };
        if !physical.is_some_and(|addr| view.read_memory(addr, &mut into[done..end])) {
            break;
        }
        done = end;
    }
    done
}

/// Splits a stretch of addresses at page boundaries; it ends where addresses end.
pub(super) fn pieces(addr: u64, bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut next = Some(addr).filter(|_| bytes > 0);
    let last = addr.saturating_add(bytes.saturating_sub(1));
    std::iter::from_fn(move || {
        let start = next?;
        let end = (start | (PAGE_BYTES - 1)).min(last);
        next = end.checked_add(1).filter(|start| *start <= last);
        Some((start, end - start + 1))
    })
}

/// The values that a condition sees.
pub(super) struct HartValues<'a> {
    pub(super) view: &'a dyn View,
    pub(super) hart: usize,
}

impl HartValues<'_> {
    fn architecture(&self) -> &'static Architecture {
        self.view.hart(self.hart).architecture()
    }
}

impl Values for HartValues<'_> {
    fn register(&self, name: &str) -> Option<i128> {
        match name {
            "hart" => i128::try_from(self.hart).ok(),
            "steps" => Some(self.view.position().steps.into()),
            _ => {
                let (number, _) = self.architecture().register(name)?;
                let hart = self.view.hart(self.hart);
                let value = hart.read_register(number, self.view.clock())?;
                // Wider registers than 127 bits lose their top bit: none is an integer.
                i128::try_from(value & (u128::MAX >> 1)).ok()
            }
        }
    }

    fn memory(&self, addr: u64, bytes: usize) -> Option<u64> {
        let mut buffer = [0; 8];
        let part = buffer.get_mut(..bytes)?;
        if read_memory(self.view, Some(self.hart), addr, part) < bytes {
            return None;
        }
        if !self.architecture().little_endian {
            part.reverse();
        }
        Some(u64::from_le_bytes(buffer))
    }
}
