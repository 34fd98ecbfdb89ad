//! What may not panic: every crate that a server is made of denies what can, for all of its code,
//! and makes an exception only with a reason.

use crate::tidy::rust;
use crate::tidy::source::Source;

/// What each crate in `crates/` denies at its root, but those of [`FREE`].
const DENIED: &[&str] = &[
    "clippy::arithmetic_side_effects",
    "clippy::indexing_slicing",
    "clippy::panic",
    "clippy::unwrap_used",
];

/// Nothing reads in these what a peer sends.
const FREE: &[&str] = &["allocator", "cli"];

pub(crate) fn check(source: &Source, findings: &mut Vec<String>) {
    let Some((folder, path)) = source.path.strip_prefix("crates/").and_then(|p| p.split_once('/'))
    else {
        return;
    };
    if FREE.contains(&folder) || !source.has_extension(&["rs"]) || rust::is_test(path) {
        return;
    }
    if path == "src/lib.rs" {
        let text = source.text.as_deref().unwrap_or_default();
        let denied = text.split_once("#![cfg_attr(\n    not(test),\n    deny(\n");
        let denied = denied.and_then(|(_, rest)| rest.split_once(")\n)]")).map_or("", |it| it.0);
        let missing = DENIED.iter().filter(|lint| !denied.contains(*lint));
        findings.extend(missing.map(|lint| format!("{}: does not deny {lint}", source.path)));
    }
    check_exceptions(source, findings);
}

/// An attribute ends with a line that ends in `]`, as rustfmt has it.
fn check_exceptions(source: &Source, findings: &mut Vec<String>) {
    let mut open: Option<(usize, String)> = None;
    for (number, line) in rust::lines_outside_tests(source) {
        let code = rust::code(line);
        let excuses = ["[allow(", "[expect(", "[warn("].iter().any(|word| code.contains(word));
        if open.is_none() && !excuses {
            continue;
        }
        let (start, mut text) = open.take().unwrap_or((number, String::new()));
        text.push_str(code);
        if !code.trim_end().ends_with(']') {
            open = Some((start, text));
        } else if DENIED.iter().any(|lint| text.contains(lint)) && !text.contains("reason = \"") {
            findings.push(format!("{}:{start}: an exception has a reason", source.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    fn findings(path: &str, text: &str) -> Vec<String> {
        source::findings(check, path, text)
    }

    #[test]
    fn a_crate_that_denies_less_is_found() {
        let root = |lints: &[&str]| {
            let lints = lints.join(",\n        ");
            format!("#![cfg_attr(\n    not(test),\n    deny(\n        {lints}\n    )\n)]\n")
        };
        let path = "crates/hub/src/lib.rs";
        assert_eq!(findings(path, &root(DENIED)), [""; 0]);
        let less = root(&DENIED[1..]);
        assert_eq!(findings(path, &less), [format!("{path}: does not deny {}", DENIED[0])]);
        assert_eq!(findings("crates/cli/src/lib.rs", &less), [""; 0]);
        assert_eq!(findings(path, "").len(), DENIED.len());
    }

    #[test]
    fn an_exception_without_a_reason_is_found() {
        let path = "crates/hub/src/room.rs";
        for bad in [
            "a\n#[allow(clippy::panic)]\n",
            "a\n#![expect(\n    clippy::panic,\n    clippy::unwrap_used\n)]\n",
        ] {
            assert_eq!(findings(path, bad), [format!("{path}:2: an exception has a reason")]);
        }
        for good in [
            "#[expect(clippy::panic, reason = \"it is not reached\")]\n",
            "#![expect(\n    clippy::panic,\n    reason = \"it is not reached\"\n)]\n",
            "#[allow(clippy::too_many_arguments)]\n",
            "#[cfg(test)]\nmod tests {\n    #[allow(clippy::panic)]\n}\n",
        ] {
            assert_eq!(findings(path, good), [""; 0]);
        }
    }
}
