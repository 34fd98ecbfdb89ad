//! `conformance/sockjs.md` names tests that exist, for each case of the official suite.

use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("../../../../conformance/sockjs.md");
const SUITE: &str = include_str!("suite.rs");

/// The only case that has no test.
const UNTESTED: &str = "Websocket.test_haproxy";

#[test]
fn every_case_names_a_test() {
    let contract = contract_tests();
    let mut cases = Vec::new();
    for line in TABLE.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        cases.push(cells[1]);
        let tests: Vec<&str> = cells[2].split('`').skip(1).step_by(2).collect();
        assert_eq!(tests.is_empty(), cells[1] == UNTESTED, "{line}");
        for test in tests {
            let found = match test.split_once("::") {
                Some((module, function)) => has_function(module, function),
                None => contract.contains(test),
            };
            assert!(found, "no test {test}");
        }
    }
    let count = cases.len();
    cases.sort_unstable();
    cases.dedup();
    assert_eq!((count, cases.len()), (68, 68));
}

/// Whether the suite has this function in this module: modules end with a brace at the margin.
fn has_function(module: &str, function: &str) -> bool {
    let body = SUITE.split_once(&format!("\nmod {module} {{")).map(|(_, rest)| rest);
    let body = body.and_then(|rest| rest.split("\n}").next());
    body.is_some_and(|body| body.contains(&format!("#[test]\n    fn {function}()")))
}

fn contract_tests() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/node/contract");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let ours =
        files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("sockjs"));
    ours.map(|path| fs::read_to_string(path).unwrap()).collect()
}
