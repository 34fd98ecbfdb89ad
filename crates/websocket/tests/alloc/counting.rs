//! An allocator that counts, for each thread by itself.
#![allow(unsafe_code, reason = "the trait of allocators is unsafe; it does nothing but count")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(calls: usize, len: isize) {
    CALLS.set(CALLS.get() + calls);
    LIVE.set(LIVE.get() + len);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: every call is handed on to the system's allocator, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count(1, len as isize - layout.size() as isize);
        unsafe { System.realloc(at, layout, len) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What something asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// How often.
    pub(crate) calls: usize,
    /// Octets that are still held.
    pub(crate) live: isize,
    /// Octets that were held at once.
    pub(crate) peak: isize,
}

/// Counts what `work` asks for on this thread.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> (T, Asked) {
    let (calls, live) = (CALLS.get(), LIVE.get());
    PEAK.set(live);
    let done = work();
    let asked =
        Asked { calls: CALLS.get() - calls, live: LIVE.get() - live, peak: PEAK.get() - live };
    (done, asked)
}
