//! `conformance/advisories.md`, `threats.md`: that every test, attack, floor and file which they name
//! is there.

use crate::tidy::source::Source;

const TABLES: [&str; 2] = ["conformance/advisories.md", "conformance/threats.md"];

pub(crate) fn check(sources: &[Source], findings: &mut Vec<String>) {
    for table in TABLES {
        match sources.iter().find(|source| source.path == table) {
            Some(source) => check_table(table, source, sources, findings),
            None => findings.push(format!("{table}: is missing")),
        }
    }
    check_attacks(sources, findings);
}

/// Each attack stands beside the threat that it is.
fn check_attacks(sources: &[Source], findings: &mut Vec<String>) {
    let threats = sources.iter().find(|source| source.path == TABLES[1]);
    let threats = threats.and_then(|source| source.text.as_deref()).unwrap_or_default();
    for source in sources.iter().filter(|source| source.path.starts_with("attack/src/attacks")) {
        let names = source.lines().filter_map(|(number, line)| {
            Some((number, line.trim().strip_prefix("name: \"")?.strip_suffix("\",")?))
        });
        for (number, name) in
            names.filter(|(_, name)| !threats.contains(&format!("attack `{name}`")))
        {
            findings.push(format!("{}:{number}: not in {}: {name}", source.path, TABLES[1]));
        }
    }
}

fn check_table(table: &str, source: &Source, sources: &[Source], findings: &mut Vec<String>) {
    let rows =
        source.lines().filter(|(_, line)| line.starts_with("| ") && !line.contains("| where"));
    for (number, row) in rows {
        let mut columns = row.split(" | ").skip(1);
        let shown = columns.next().unwrap_or_default();
        let files = columns.flat_map(|column| column.split("](../").skip(1));
        for file in files.filter_map(|rest| rest.split(')').next()) {
            if !sources.iter().any(|source| source.path == file) {
                findings.push(format!("{table}:{number}: no such file: {file}"));
            }
        }
        if shown.starts_with("not applicable: ") {
            continue;
        }
        let there = |proof| read(proof).is_some_and(|proof| proof.is_there(sources));
        if !shown.split(", ").all(there) {
            findings.push(format!("{table}:{number}: not there, or no proof: {shown}"));
        }
    }
}

enum Proof<'a> {
    Test(&'a str),
    Attack(&'a str),
    Floor(&'a str),
}

fn read(proof: &str) -> Option<Proof<'_>> {
    let (kind, name) = proof.strip_suffix('`')?.split_once('`')?;
    match kind {
        "" => Some(Proof::Test(name)),
        "attack " => Some(Proof::Attack(name)),
        "floor of " => Some(Proof::Floor(name)),
        _ => None,
    }
}

impl Proof<'_> {
    fn is_there(&self, sources: &[Source]) -> bool {
        let has = |folders: &[&str], extensions: &[&str], part: &str| {
            let looked = sources.iter().filter(|source| {
                folders.iter().any(|folder| source.path.starts_with(folder))
                    && source.has_extension(extensions)
            });
            looked.filter_map(|source| source.text.as_deref()).any(|text| names(text, part))
        };
        match self {
            Self::Test(name) => {
                has(&["crates/", "conformance/", "fuzz/"], &["rs", "py", "mjs"], name)
            }
            Self::Attack(name) => {
                has(&["attack/src/attacks"], &["rs"], &format!("name: \"{name}\""))
            }
            Self::Floor(name) => {
                has(&["deny.toml"], &["toml"], &format!("crate = \"{name}:<"))
                    || has(&["deny.toml"], &["toml"], &format!("crate = \"{name}\""))
            }
        }
    }
}

/// Whether a text has these words, and not only as a part of longer ones.
fn names(text: &str, part: &str) -> bool {
    let is_word =
        |octet: Option<&u8>| octet.is_some_and(|o| o.is_ascii_alphanumeric() || *o == b'_');
    text.match_indices(part).any(|(at, _)| {
        let octets = text.as_bytes();
        let before = at.checked_sub(1).and_then(|before| octets.get(before));
        let behind = octets.get(at + part.len());
        !is_word(before) && (part.ends_with('<') || !is_word(behind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_that_is_not_there_is_found() {
        let row = |shown: &str| {
            let table = format!("| CVE-1 | {shown} | [x](../deny.toml) |");
            let [advisories, threats] = TABLES;
            let sources = [
                Source::new(advisories, &table),
                Source::new(threats, "| a threat | `cve_1_is` | [x](../crates/gone.rs) |"),
                Source::new("crates/a/src/tests.rs", "fn cve_1_is_none_of_ours() {}"),
                Source::new("attack/src/attacks/a.rs", "name: \"flood\","),
                Source::new("deny.toml", "{ crate = \"h2:<0.4.16\" }"),
            ];
            let mut findings = Vec::new();
            check(&sources, &mut findings);
            // The row of the other table is wrong in two ways, and has no attack.
            findings.len() - 3
        };
        assert_eq!(row("`cve_1_is_none_of_ours`, attack `flood`, floor of `h2`"), 0);
        assert_eq!(row("not applicable: there is none"), 0);
        for wrong in ["`cve_1_is`", "attack `floo`", "floor of `h3`", "nothing", ""] {
            assert_eq!(row(wrong), 1, "{wrong}");
        }
    }
}
