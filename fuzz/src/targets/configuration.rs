//! The configuration file of `omniwire serve`.

#[path = "../../../crates/cli/src/settings/file.rs"]
#[expect(dead_code, reason = "what is in the file is for the server")]
mod file;

use omniwire_session::limits::Limits;

use crate::input::text;

/// A file is taken with limits that let something pass, or refused in one line, which says where.
pub(crate) fn file(input: &[u8]) {
    let text = text(input);
    match file::File::parse(&text) {
        Ok((_, limits)) => assert!(limits.entries().iter().all(|entry| entry.value > 0)),
        Err(error) => {
            assert!((1..=text.matches('\n').count() + 1).contains(&error.line));
            assert!(!error.why.is_empty() && !error.why.contains('\n'), "{:?}", error.why);
        }
    }
}
