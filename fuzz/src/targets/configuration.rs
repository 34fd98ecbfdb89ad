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
        Ok(file) => {
            let mut limits = Limits::default();
            for (name, value) in &file.limits {
                assert!(is_in(&text, file::position(&text, name.span().start)));
                limits.set(name.get_ref(), value.get()).ok();
            }
            assert!(limits.entries().iter().all(|entry| entry.value > 0));
        }
        Err(error) => {
            assert!(is_in(&text, error.position));
            assert!(!error.why.is_empty() && !error.why.contains('\n'), "{:?}", error.why);
        }
    }
}

/// Whether it has that line, and the line that column, or ends before it.
fn is_in(text: &str, (line, column): (usize, usize)) -> bool {
    let found = text.split('\n').nth(line.wrapping_sub(1));
    found.is_some_and(|found| (1..=found.chars().count() + 1).contains(&column))
}
