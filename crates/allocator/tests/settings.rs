//! jemalloc has read the settings: by default it has no threads of its own.
#![cfg(unix)]

use omniwire_allocator as _;

#[test]
fn freed_memory_is_given_back_by_threads_of_the_allocators_own() {
    assert!(tikv_jemalloc_ctl::background_thread::read().unwrap());
}
