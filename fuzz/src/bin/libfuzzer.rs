//! All targets in one program; `FUZZ_TARGET` names the one to run.
#![no_main]

use std::sync::OnceLock;

use omniwire_fuzz::{Target, find};

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
        find(&name).expect("there is a target of this name")
    });
    (target.run)(input);
});
