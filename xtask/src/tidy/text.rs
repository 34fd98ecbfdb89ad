//! Lines and words of all text files.

use crate::tidy::rust;
use crate::tidy::source::Source;

/// Not HTML, whose lines are mostly prose.
const CODE: &[&str] = &["rs", "ts", "tsx", "js", "mjs", "cjs", "css", "py", "sh"];
const LINE_MAX_COLUMNS: usize = 100;
const FILE_MAX_LINES: usize = 800;

/// Files that are longer than `FILE_MAX_LINES`, each with the reason why it stays whole.
const LONG_FILES: &[(&str, &str)] = &[];

/// Put together here so that this file does not contain what it looks for.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// Only where nothing comes before the path: `/srv/here/` is no such path.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Packages are named; where they come from is the business of each machine.
const REGISTRIES: &[&str] = &[
    concat!("registry.", "npmjs.org"),
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("deb.", "debian.org"),
];

pub(crate) fn check(source: &Source, findings: &mut Vec<String>) {
    // What a fuzzer came upon is in nobody's words.
    if source.path.starts_with("fuzz/corpus/") {
        return;
    }
    let is_code = source.has_extension(CODE);
    for (number, line) in source.lines() {
        let mut found = |what: &str| findings.push(format!("{}:{number}: {what}", source.path));
        if is_code && is_too_long(line) {
            found(&format!("longer than {LINE_MAX_COLUMNS} columns"));
        }
        if is_code && line.ends_with([' ', '\t']) {
            found("white space at the end of the line");
        }
        for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
            found(&format!("`{word}`: do it, or open an issue"));
        }
        for path in MACHINE_PATHS.iter().filter(|path| has_path(line, path)) {
            found(&format!("`{path}` is a path of one machine"));
        }
        // cargo writes its index into every lock file, and cargo reads it back.
        if source.path.ends_with("Cargo.lock") {
            continue;
        }
        for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
            found(&format!("`{host}` is a registry's host"));
        }
    }
}

/// Files of code that are too long, and exceptions that are none any more.
pub(crate) fn check_lengths(sources: &[Source], findings: &mut Vec<String>) {
    for source in sources.iter().filter(|source| source.has_extension(CODE)) {
        let lines = if rust::is_test(&source.path) {
            0
        } else if source.has_extension(&["rs"]) {
            rust::lines_outside_tests(source).count()
        } else {
            source.lines().count()
        };
        let excused = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        match (lines > FILE_MAX_LINES, excused) {
            (true, false) => findings.push(format!("{}: {lines} lines, split it", source.path)),
            (false, true) => findings.push(format!("{}: is no long file any more", source.path)),
            _ => {}
        }
    }
    for (path, _) in LONG_FILES {
        if !sources.iter().any(|source| source.path == *path) {
            findings.push(format!("{path}: listed as a long file, but there is none"));
        }
    }
}

/// A table row, an address or a string is not broken to fit.
fn is_too_long(line: &str) -> bool {
    let excused = line.contains("://") || line.trim_start().starts_with('|');
    let has_string = line.contains(['"', '\'', '`']);
    line.chars().count() > LINE_MAX_COLUMNS && !excused && !has_string
}

/// Whether the word stands in the line with no letter before or after it.
fn has_word(line: &str, word: &str) -> bool {
    begins_word(line, word).any(|start| !line[start + word.len()..].starts_with(is_letter))
}

/// Where the text stands in the line with no letter before it.
pub(crate) fn begins_word(line: &str, text: &str) -> impl Iterator<Item = usize> {
    let found = line.match_indices(text).map(|(start, _)| start);
    found.filter(|start| !line[..*start].ends_with(is_letter))
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn has_path(line: &str, path: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || "_-.*}/".contains(c);
    line.match_indices(path).any(|(start, _)| !line[..start].ends_with(continues))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    fn findings(path: &str, text: &str) -> Vec<String> {
        source::findings(check, path, text)
    }

    #[test]
    fn a_long_line_is_found_unless_it_cannot_be_broken() {
        let long = "word ".repeat(25) + ".";
        assert_eq!(findings("a.rs", &format!("short\n{long}")).len(), 1);
        assert_eq!(findings("a.rs", &format!("let text = \"{long}\";")), [""; 0]);
        assert_eq!(findings("a.rs", &format!("// https://example.org {long}")), [""; 0]);
        assert_eq!(findings("a.md", &long), [""; 0]);
    }

    #[test]
    fn unfinished_work_is_found_as_a_word() {
        assert_eq!(findings("a.rs", concat!("// TO", "DO: later")).len(), 1);
        assert_eq!(findings("a.md", concat!("TO", "DOS")), [""; 0]);
    }

    #[test]
    fn hosts_of_registries_are_found() {
        let line = concat!("\"resolved\": \"https://registry.", "npmjs.org/ws\"");
        assert_eq!(findings("package-lock.json", line).len(), 1);
        assert_eq!(findings("Cargo.lock", concat!("crates", ".io-index")), [""; 0]);
    }

    #[test]
    fn only_whole_paths_of_the_machine_are_found() {
        assert_eq!(findings("a.md", concat!("see /wo", "rk/main")).len(), 1);
        assert_eq!(findings("a.md", concat!("https://example.org/wo", "rk/a")), [""; 0]);
    }

    #[test]
    fn a_file_may_be_long_in_its_tests_alone() {
        let body = "fn a() {}\n".repeat(FILE_MAX_LINES);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{body}}}\n");
        let mut findings = Vec::new();
        let sources = [
            Source::new("a.rs", &(body.clone() + &tests)),
            Source::new("src/tests.rs", &(body.clone() + &body)),
        ];
        check_lengths(&sources, &mut findings);
        assert_eq!(findings, [""; 0]);
        check_lengths(&[Source::new("a.rs", &(body + "fn b() {}\n"))], &mut findings);
        assert_eq!(findings.len(), 1);
    }
}
