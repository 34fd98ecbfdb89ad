//! Which crate may know which: the arrows of ARCHITECTURE.md, and what stays below the IO line.

use toml::Table;

use crate::process::{self, Failure, Result};
use crate::repository::Repository;
use crate::tidy::source::Source;
use crate::tidy::{rust, text};

/// A crate of ours, by its folder in `crates/`.
struct Crate {
    folder: &'static str,
    /// The crates of ours that it may use.
    may_use: &'static [&'static str],
    /// Whether it is a state machine: no IO, no clock, no threads, no randomness of its own.
    is_sans_io: bool,
}

const PROTOCOLS: &[&str] =
    &["session", "msgpack", "websocket", "engineio", "socketio", "signalr", "sockjs", "plain"];
const BELOW_SERVER: &[&str] = &[
    "session",
    "msgpack",
    "websocket",
    "engineio",
    "socketio",
    "signalr",
    "sockjs",
    "plain",
    "hub",
    "broker",
];

const CRATES: &[Crate] = &[
    Crate { folder: "session", may_use: &[], is_sans_io: true },
    Crate { folder: "msgpack", may_use: &["session"], is_sans_io: true },
    Crate { folder: "websocket", may_use: &[], is_sans_io: true },
    Crate { folder: "engineio", may_use: &["session"], is_sans_io: true },
    Crate { folder: "socketio", may_use: &["engineio", "msgpack", "session"], is_sans_io: true },
    Crate { folder: "signalr", may_use: &["msgpack", "session"], is_sans_io: true },
    Crate { folder: "sockjs", may_use: &["session"], is_sans_io: true },
    Crate { folder: "plain", may_use: &["session"], is_sans_io: true },
    Crate { folder: "hub", may_use: &["session"], is_sans_io: true },
    Crate { folder: "broker", may_use: &[], is_sans_io: false },
    Crate { folder: "server", may_use: BELOW_SERVER, is_sans_io: false },
    Crate { folder: "allocator", may_use: &[], is_sans_io: true },
    Crate { folder: "client", may_use: PROTOCOLS, is_sans_io: false },
    Crate { folder: "cli", may_use: &["allocator", "server", "client"], is_sans_io: false },
];

/// Packages that bring sockets, clocks or tasks.
const IO_PACKAGES: &[&str] = &["tokio", "hyper", "hyper-util", "axum", "mio", "socket2", "tower"];

const IO_WORDS: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "thread::spawn",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "tokio::",
    "getrandom::",
    "rand::",
];

/// Where the server's sessions and rooms are driven: they go by the runtime's clock, which the
/// simulator sets, and by no other.
const DRIVEN: &str = "crates/server/src/";
const CLOCK: &str = "crates/server/src/clock.rs";

/// The shell of a sans-IO crate that does IO, behind a feature.
const IO_SHELLS: &[&str] = &["crates/websocket/src/socket"];

pub(crate) fn check(
    repository: &Repository,
    sources: &[Source],
    findings: &mut Vec<String>,
) -> Result {
    for source in sources {
        let Some(folder) = crate_of(&source.path) else { continue };
        if source.path == format!("crates/{folder}/Cargo.toml") {
            check_manifest(folder, source, findings)?;
        }
    }
    for known in CRATES.iter().filter(|known| known.is_sans_io) {
        let prefix = format!("crates/{}/src/", known.folder);
        let files = sources.iter().filter(|source| source.path.starts_with(&prefix));
        files.for_each(|source| check_words(source, findings));
        check_packages(repository, known.folder, findings)?;
    }
    sources.iter().for_each(|source| check_clock(source, findings));
    Ok(())
}

fn check_manifest(folder: &str, source: &Source, findings: &mut Vec<String>) -> Result {
    let text = source.text.as_deref().unwrap_or_default();
    let manifest: Table =
        toml::from_str(text).map_err(|error| Failure::new(format!("{}: {error}", source.path)))?;
    let mut found = |what: String| findings.push(format!("{}: {what}", source.path));

    let Some(known) = CRATES.iter().find(|known| known.folder == folder) else {
        found("say in xtask/src/tidy/crates.rs which crates it may use".to_owned());
        return Ok(());
    };
    let package = manifest.get("package").and_then(|package| package.get("name"));
    if package.and_then(|name| name.as_str()) != Some(&package_name(folder)) {
        found(format!("the package is named {}", package_name(folder)));
    }
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    if lints.and_then(|lints| lints.as_bool()) != Some(true) {
        found("takes the workspace's lints".to_owned());
    }
    for used in used_crates(&manifest) {
        if !known.may_use.contains(&used.as_str()) {
            found(format!("{folder} must not use {used}"));
        }
    }
    Ok(())
}

/// The folders of our crates among the dependencies, those of tests aside.
fn used_crates(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(|target| target.as_table());
    let targets = targets.into_iter().flat_map(|targets| targets.values());
    let tables = targets.filter_map(|target| target.as_table()).chain([manifest]);
    let mut used = Vec::new();
    for table in tables {
        for kind in ["dependencies", "build-dependencies"] {
            let dependencies = table.get(kind).and_then(|dependencies| dependencies.as_table());
            for (name, detail) in dependencies.into_iter().flatten() {
                let package = detail.get("package").and_then(|package| package.as_str());
                used.extend(folder_of(package.unwrap_or(name)));
            }
        }
    }
    used
}

/// What a crate of ours brings along, seen with all features of its own on.
fn check_packages(repository: &Repository, folder: &str, findings: &mut Vec<String>) -> Result {
    if !repository.root.join("crates").join(folder).is_dir() {
        return Ok(());
    }
    let mut cargo = repository.cargo();
    cargo.args(["tree", "--package", &package_name(folder)]);
    cargo.args(["--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    // The IO shell of `websocket` is a feature; its core is what is left without.
    cargo.arg(if folder == "websocket" { "--no-default-features" } else { "--all-features" });
    let tree = process::read(&mut cargo)?;
    for name in tree.lines().filter_map(|line| line.split(' ').next()) {
        let finding = format!("crates/{folder}: brings {name}, which does IO");
        if IO_PACKAGES.contains(&name) && !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    Ok(())
}

fn check_words(source: &Source, findings: &mut Vec<String>) {
    let is_shell = IO_SHELLS.iter().any(|shell| source.path.starts_with(shell));
    if !source.has_extension(&["rs"]) || is_shell || rust::is_test(&source.path) {
        return;
    }
    for (number, line) in rust::lines_outside_tests(source) {
        let code = rust::code(line);
        for word in IO_WORDS.iter().filter(|word| text::begins_word(code, word).next().is_some()) {
            let instead = "is passed in from the driver";
            findings.push(format!("{}:{number}: `{word}` {instead}", source.path));
        }
    }
}

fn check_clock(source: &Source, findings: &mut Vec<String>) {
    let is_driven = source.path.starts_with(DRIVEN) && source.path != CLOCK;
    if !is_driven || !source.has_extension(&["rs"]) || rust::is_test(&source.path) {
        return;
    }
    for (number, line) in rust::lines_outside_tests(source) {
        if text::begins_word(rust::code(line), "Instant::now").next().is_some() {
            findings.push(format!("{}:{number}: the time is `clock::now()`", source.path));
        }
    }
}

fn crate_of(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.split('/').next()
}

fn package_name(folder: &str) -> String {
    if folder == "server" { "omniwire".to_owned() } else { format!("omniwire-{folder}") }
}

fn folder_of(package: &str) -> Option<String> {
    if package == "omniwire" {
        return Some("server".to_owned());
    }
    package.strip_prefix("omniwire-").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(folder: &str, dependencies: &str) -> Vec<String> {
        let name = package_name(folder);
        let text =
            format!("[package]\nname = \"{name}\"\n{dependencies}\n[lints]\nworkspace = true");
        let source = Source::new(&format!("crates/{folder}/Cargo.toml"), &text);
        let mut findings = Vec::new();
        check_manifest(folder, &source, &mut findings).unwrap();
        findings
    }

    #[test]
    fn an_arrow_against_the_design_is_found() {
        let hub_knows_protocol = "[dependencies]\nomniwire-socketio.workspace = true";
        assert_eq!(findings("hub", hub_knows_protocol).len(), 1);
        let renamed = "[dependencies]\nwire = { package = \"omniwire-hub\", version = \"1\" }";
        assert_eq!(findings("signalr", renamed).len(), 1);
        let for_one_target = "[target.'cfg(unix)'.dependencies]\nomniwire.workspace = true";
        assert_eq!(findings("broker", for_one_target).len(), 1);
    }

    #[test]
    fn arrows_of_the_design_and_of_tests_are_let_be() {
        let engine = "[dependencies]\nomniwire-engineio.workspace = true\nbytes = \"1\"";
        assert_eq!(findings("socketio", engine), [""; 0]);
        let in_tests = "[dev-dependencies]\nomniwire-signalr.workspace = true";
        assert_eq!(findings("hub", in_tests), [""; 0]);
    }

    #[test]
    fn a_crate_that_nobody_placed_is_found() {
        assert_eq!(findings("surprise", "").len(), 1);
    }

    #[test]
    fn another_clock_in_the_server_is_found() {
        let found = |path| {
            let mut findings = Vec::new();
            check_clock(&Source::new(path, "let now = Instant::now();\n"), &mut findings);
            findings.len()
        };
        assert_eq!(found("crates/server/src/session/cell.rs"), 1);
        assert_eq!(found("crates/server/src/clock.rs"), 0);
        assert_eq!(found("crates/server/src/session/cell/tests.rs"), 0);
        assert_eq!(found("crates/cli/src/main.rs"), 0);
    }

    #[test]
    fn a_clock_below_the_line_is_found_outside_tests() {
        let text = "let now = Instant::now();\n#[cfg(test)]\nmod tests {\nInstant::now();\n}\n";
        let found = |path| {
            let mut findings = Vec::new();
            check_words(&Source::new(path, text), &mut findings);
            findings.len()
        };
        assert_eq!(found("crates/hub/src/room.rs"), 1);
        assert_eq!(found("crates/hub/src/room/tests.rs"), 0);
        assert_eq!(found("crates/websocket/src/socket/read.rs"), 0);
    }
}
