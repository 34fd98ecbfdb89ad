//! `conformance/websocket.md` names tests that exist, and no row twice or not at all.

use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("../../../../conformance/websocket.md");

/// The rows of the protocol notes.
const ROWS: [(char, usize); 8] =
    [('A', 22), ('B', 12), ('C', 11), ('D', 11), ('E', 15), ('F', 13), ('G', 7), ('H', 7)];

#[test]
fn every_row_names_a_test() {
    let mut sources = String::new();
    for folder in ["src", "tests", "../../conformance/python"] {
        read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut sources);
    }
    let mut rows: Vec<&str> = Vec::new();
    for line in TABLE.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        rows.extend(cells[1].split(", "));
        let tests: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{line}");
        for test in tests {
            let is_there =
                ["fn", "def"].iter().any(|word| sources.contains(&format!("{word} {test}(")));
            assert!(is_there, "no test {test}");
        }
    }
    rows.sort_unstable();
    let of_group = |(group, count)| (1..=count).map(move |row| format!("{group}{row}"));
    let mut wanted: Vec<String> = ROWS.into_iter().flat_map(of_group).collect();
    wanted.sort_unstable();
    assert_eq!(rows, wanted);
}

fn read_all(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, sources);
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "py") {
            sources.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
