//! A file's pages as guest RAM, without reading them.
//!
//! A snapshot of gigabytes must be runnable at once, so its pages are mapped privately: the guest
//! reads the file's, and its writes stay in the process. A mapping can fail; so the pages are mapped
//! somewhere else first ([`FilePages`]), while nothing has been changed, and then *moved* over guest
//! RAM. Where even that fails they are copied, which cannot.
//!
//! The file must not be modified while it is mapped. Snapshots never are: a new one replaces the old by
//! a rename, and who has the old one open keeps it.

use std::fs::File;
use std::io;

use memmap2::{MmapMut, MmapOptions};
use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap_fixed};

use super::{GuestMemory, PAGE_BYTES, PAGE_SHIFT, index};

/// Pages of a file, mapped privately and ready to become guest RAM.
#[derive(Debug)]
pub struct FilePages {
    mapping: MmapMut,
}

impl FilePages {
    /// Maps `pages` pages of `file` from `offset`, a multiple of [`PAGE_BYTES`].
    ///
    /// # Errors
    /// Those of the host; pages that are not all in the file.
    pub fn map(file: &File, offset: u64, pages: u64) -> io::Result<Self> {
        let end = (pages << PAGE_SHIFT).checked_add(offset);
        if end.is_none_or(|end| file.metadata().is_ok_and(|data| data.len() < end)) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut options = MmapOptions::new();
        options.offset(offset).len(index(pages << PAGE_SHIFT)).no_reserve_swap();
        // SAFETY: the mapping is private, so what the guest writes stays here; that nobody
        // modifies the file is the contract of this module.
        let mapping = unsafe { options.map_copy(file)? };
        Ok(Self { mapping })
    }

    /// The bytes of `pages` pages from page `first` on.
    ///
    /// # Panics
    /// If they are not all in it.
    #[must_use]
    pub fn bytes(&self, first: u64, pages: u64) -> &[u8] {
        &self.mapping[index(first << PAGE_SHIFT)..index((first + pages) << PAGE_SHIFT)]
    }
}

impl GuestMemory {
    /// Replaces the pages from `first` on by a file's and tells whoever listens to them.
    ///
    /// # Panics
    /// If they are not all guest RAM.
    pub fn adopt(&self, first: usize, mut pages: FilePages) {
        let length = pages.mapping.len();
        let count = length >> PAGE_SHIFT;
        assert!(first + count <= self.page_count(), "pages {first}.. are not all guest RAM");
        for page in first..first + count {
            self.before_write(page, self.address_of(page), PAGE_BYTES);
        }
        self.file_backed.set(true);
        let to = self.host.wrapping_add(first << PAGE_SHIFT);
        let from = pages.mapping.as_mut_ptr();
        // SAFETY: `from` is a mapping of exactly `length` bytes that is given up below, `to` lies in
        // our own mapping with `length` bytes behind it, and no reference into that exists.
        let moved =
            unsafe { mremap_fixed(from.cast(), length, length, MremapFlags::MAYMOVE, to.cast()) };
        if moved.is_ok() {
            // It is guest RAM now and is unmapped with it.
            std::mem::forget(pages.mapping);
        } else {
            // SAFETY: both ranges are mapped, `length` bytes long and do not overlap.
            unsafe { to.copy_from_nonoverlapping(from, length) };
        }
    }

    /// Puts zero pages in the place of all of RAM, files' pages included.
    pub(super) fn make_anonymous(&self) {
        let length = self.mapping.len();
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: the range is exactly our own mapping, into which no reference exists; it stays
        // mapped, readable and writable.
        let mapped = unsafe { mmap_anonymous(self.host.cast(), length, protection, flags) };
        assert!(mapped.is_ok(), "the place of one mapping is enough for another: {mapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{FilePages, GuestMemory, PAGE_BYTES};

    const BASE: u64 = 0x8000_0000;

    fn memory_over_file() -> (GuestMemory, std::fs::File) {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..4).flat_map(|n: u8| vec![n + 1; 4096]).collect();
        file.write_all(&bytes).unwrap();
        let memory = GuestMemory::at(BASE, 16 * PAGE_BYTES).unwrap();
        memory.write(BASE, &[9; 3 * 4096]).unwrap();
        memory.adopt(2, FilePages::map(&file, PAGE_BYTES, 3).unwrap());
        (memory, file)
    }

    fn first_bytes(memory: &GuestMemory) -> Vec<u8> {
        (0..6)
            .map(|page| {
                let mut byte = [0];
                memory.read(BASE + page * PAGE_BYTES, &mut byte).unwrap();
                byte[0]
            })
            .collect()
    }

    #[test]
    fn adopted_pages_hold_the_files_content() {
        assert_eq!(first_bytes(&memory_over_file().0), [9, 9, 2, 3, 4, 0]);
    }

    #[test]
    fn writes_to_adopted_pages_never_reach_the_file() {
        let (memory, file) = memory_over_file();
        memory.write(BASE + 3 * PAGE_BYTES, &[77]).unwrap();
        assert_eq!(first_bytes(&memory), [9, 9, 2, 77, 4, 0]);
        let again = GuestMemory::at(BASE, 16 * PAGE_BYTES).unwrap();
        again.adopt(0, FilePages::map(&file, 0, 4).unwrap());
        assert_eq!(first_bytes(&again), [1, 2, 3, 4, 0, 0]);
    }

    #[test]
    fn a_cleared_memory_is_zero_where_a_file_was() {
        let (memory, _file) = memory_over_file();
        memory.clear();
        assert_eq!(first_bytes(&memory), [0; 6]);
        memory.write(BASE + 2 * PAGE_BYTES, &[5]).unwrap();
        memory.clear();
        assert_eq!(first_bytes(&memory), [0; 6]);
    }

    #[test]
    fn pages_beyond_the_end_of_the_file_are_refused() {
        let (_, file) = memory_over_file();
        assert!(FilePages::map(&file, 2 * PAGE_BYTES, 3).is_err());
    }
}
