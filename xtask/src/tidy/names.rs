//! File names say what is in the file.

use crate::tidy::source::Source;

/// Names that a file gets when nobody knows what it is about.
const VAGUE: [&str; 8] =
    ["util", "utils", "common", "manager", "managers", "helper", "helpers", "misc"];

const SIZE_MAX_BYTES: usize = 512 * 1024;

pub(crate) fn check(source: &Source, findings: &mut Vec<String>) {
    for part in source.path.split('/') {
        let stem = part.split('.').next().unwrap_or_default().to_ascii_lowercase();
        if VAGUE.contains(&stem.as_str()) {
            findings.push(format!("{}: name it by what it does, not `{stem}`", source.path));
        }
    }
    if source.size_bytes > SIZE_MAX_BYTES {
        findings.push(format!("{}: larger than {SIZE_MAX_BYTES} bytes", source.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vague_names_are_found_in_files_and_folders() {
        let found = |path| {
            let mut findings = Vec::new();
            check(&Source::new(path, ""), &mut findings);
            findings.len()
        };
        assert_eq!(found("crates/hub/src/utils.rs"), 1);
        assert_eq!(found("web/src/Common/page.ts"), 1);
        assert_eq!(found("crates/hub/src/commons.rs"), 0);
    }
}
