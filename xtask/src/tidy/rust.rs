//! Rust files: what is a test and what is not, and words that have no place in either.

use crate::tidy::source::Source;

/// Found anywhere in code. Put together here so that this file does not contain them.
const BANNED: &[(&str, &str)] = &[
    (concat!("to", "do!("), "write it"),
    (concat!("un", "implemented!("), "write it"),
    (concat!("#[ig", "nore"), "a test runs or is not there"),
    (concat!("un", "bounded_channel"), "every queue has a limit"),
    (concat!("mpsc::un", "bounded("), "every queue has a limit"),
];

/// Found anywhere in `crates/`, where time is virtual or tokio's.
const BANNED_IN_CRATES: &[(&str, &str)] =
    &[(concat!("thread::", "sleep"), "wait for an event, or use virtual time")];

/// Words that stay where they are, each with the reason why.
const EXCUSED: &[(&str, &str, &str)] = &[(
    "crates/server/src/app/upload.rs",
    concat!("un", "bounded_channel"),
    "its items count as events that wait, and with many the session is not read from",
)];

const FUNCTION_MAX_LINES: usize = 70;

pub(crate) fn check(source: &Source, findings: &mut Vec<String>) {
    if !source.has_extension(&["rs"]) {
        return;
    }
    check_functions(source, findings);
    let in_crates = source.path.starts_with("crates/");
    let banned_here = if in_crates { BANNED_IN_CRATES } else { &[] };
    let excused = |word: &str| {
        EXCUSED.iter().any(|(path, excused, _)| *path == source.path && *excused == word)
    };
    for (word, instead) in BANNED.iter().chain(banned_here) {
        let mut lines = source.lines().filter(|(_, line)| code(line).contains(word));
        match (lines.next(), excused(word)) {
            (Some((number, _)), false) => {
                findings.push(format!("{}:{number}: `{word}`: {instead}", source.path));
            }
            (None, true) => findings.push(format!("{}: has no `{word}` any more", source.path)),
            _ => {}
        }
    }
}

/// Relies on rustfmt: what ends a function stands right below where it begins.
fn check_functions(source: &Source, findings: &mut Vec<String>) {
    let mut open: Vec<(&str, usize)> = Vec::new();
    for (number, line) in source.lines() {
        let text = line.trim_start();
        let indent = &line[..line.len() - text.len()];
        let is_end = text == "}" || (text.starts_with(')') && text.ends_with(';'));
        if let Some((_, start)) = open.pop_if(|(outer, _)| is_end && indent == *outer) {
            let lines = number - start + 1;
            if lines > FUNCTION_MAX_LINES {
                findings.push(format!("{}:{start}: a function of {lines} lines", source.path));
            }
        }
        if is_function(text) && !text.ends_with([';', '}']) {
            open.push((indent, number));
        }
    }
}

fn is_function(line: &str) -> bool {
    let before = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
    line.split(' ').find(|word| !before.contains(word)) == Some("fn")
}

/// Whether all of a file is for tests, benchmarks or examples.
pub(crate) fn is_test(path: &str) -> bool {
    let mut parts = path.split('/').rev();
    let file = parts.next().unwrap_or_default();
    file == "tests.rs" || parts.any(|part| ["tests", "benches", "examples"].contains(&part))
}

/// The numbered lines of a file without its inline `#[cfg(test)]` modules.
pub(crate) fn lines_outside_tests(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let mut end_of_test = None;
    let mut test_begins = false;
    source.lines().filter(move |(_, line)| {
        if let Some(end) = &end_of_test {
            if line == end {
                end_of_test = None;
            }
            return false;
        }
        let trimmed = line.trim_start();
        if trimmed == "#[cfg(test)]" {
            test_begins = true;
            return false;
        }
        // Further attributes may stand between the condition and what it is about.
        let belongs_to_test = test_begins;
        if belongs_to_test && !trimmed.starts_with("#[") {
            test_begins = false;
            if line.ends_with('{') {
                let indent = &line[..line.len() - trimmed.len()];
                end_of_test = Some(format!("{indent}}}"));
            }
        }
        !belongs_to_test
    })
}

/// The line without a comment at its end. (A `//` in a string ends it too; nothing here minds.)
pub(crate) fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_test_modules_are_left_out() {
        let text = "a\n#[cfg(test)]\nmod tests;\nb\n#[cfg(test)]\n#[allow(x)]\nmod more {\n\
                    \x20   c {\n    }\n}\nd\n";
        let source = Source::new("a.rs", text);
        let lines: Vec<_> = lines_outside_tests(&source).map(|(number, _)| number).collect();
        assert_eq!(lines, [1, 4, 11]);
    }

    #[test]
    fn a_long_function_is_found_where_it_begins() {
        let body = "        x();\n".repeat(FUNCTION_MAX_LINES);
        let text = format!(
            "trait T {{\n    fn declared(\n    ) -> u8;\n    fn short() {{\n    }}\n\
             \x20   pub(crate) async fn long() {{\n{body}    }}\n}}\n"
        );
        let mut findings = Vec::new();
        check(&Source::new("a.rs", &text), &mut findings);
        assert_eq!(findings, ["a.rs:6: a function of 72 lines"]);
    }

    #[test]
    fn files_of_tests_are_known_by_their_place() {
        assert!(is_test("crates/hub/src/room/tests.rs"));
        assert!(is_test("crates/hub/tests/it/main.rs"));
        assert!(!is_test("crates/hub/src/room.rs"));
    }

    #[test]
    fn banned_words_are_found_in_code_but_not_in_comments() {
        let mut findings = Vec::new();
        let word = concat!("    thread::", "sleep(time);");
        check(&Source::new("crates/hub/src/room.rs", word), &mut findings);
        assert_eq!(findings.len(), 1);
        check(&Source::new("xtask/src/server.rs", word), &mut findings);
        check(&Source::new("crates/hub/src/room.rs", &format!("// {word}")), &mut findings);
        assert_eq!(findings.len(), 1);
    }
}
