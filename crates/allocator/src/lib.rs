//! The memory allocator of Omniwire's programs, for which it is enough to name this crate:
//!
//! ```
//! use omniwire_allocator as _;
//! ```
//!
//! It is jemalloc, told to give freed memory back to the system within a second. With the C
//! library's allocator, what an attack or a busy hour made a server hold stays with the process:
//! `cargo xtask attack paused-reader` left 27 MiB behind, and leaves 3 to 8 with this. The library
//! `omniwire` chooses no allocator; a program that embeds it may name this crate too. Where there
//! is no Unix, the system's own allocator stays.
#![cfg(unix)]

/// All memory comes from here.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc reads as it starts (jemalloc(3), TUNING). Pages that nothing uses go back after a
/// second instead of ten, and at once once they are only offered to the system; threads of its own
/// see to it, since the thread that freed them may be idle.
#[expect(unsafe_code, reason = "a name for the linker; a wrong one has no effect, as a test shows")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &[u8; 60] =
    b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0\0";
