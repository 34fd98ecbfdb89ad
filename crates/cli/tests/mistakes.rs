//! A mistake in the settings is told in one line, which names where it was made, with exit code 2.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

/// Runs the binary in a directory of the test's own.
struct Omniwire(Command);

impl Omniwire {
    fn new(test: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_omniwire"));
        let variables = env::vars_os().map(|(name, _)| name);
        for name in variables.filter(|name| name.to_string_lossy().starts_with("OMNIWIRE_")) {
            command.env_remove(name);
        }
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        fs::create_dir_all(&directory).unwrap();
        command.args(arguments).current_dir(directory).stdin(Stdio::null());
        Self(command)
    }

    /// With a configuration file.
    fn file(mut self, text: &str) -> Self {
        fs::write(self.0.get_current_dir().unwrap().join("chat.toml"), text).unwrap();
        self.0.args(["--config", "chat.toml"]);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// What it says before it ends.
    fn said(mut self) -> String {
        let output = self.0.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        said
    }

    /// The one line of it.
    fn mistake(self) -> String {
        let said = self.said();
        let line = said.strip_prefix("omniwire: ").and_then(|said| said.strip_suffix('\n'));
        let line = line.unwrap_or_else(|| panic!("{said}"));
        assert!(!line.contains('\n'), "{said}");
        line.to_owned()
    }
}

const NO_HOST: &str =
    "'a:1' is no host name: expected one as chat.example, without scheme, port and wildcard";
const NO_ORIGIN: &str = "'a.example' is no origin: expected scheme://host or scheme://host:port, \
                         without a path";
const NO_LEVEL: &str = "'loud' is no level (off, error, warn, info, debug, trace); that of a crate \
                        is given as in hyper=debug";
const NO_COOKIE: &str = "the cookie's name can't be \"a b\": expected letters, digits and any of \
                         !#$%&'*+-.^_`|~";
const STAR: &str = "2, column 3: origins: '*' allows any: give nothing beside it";

#[test]
fn a_flag() {
    let sees = |line: &str| format!("{line}; see omniwire serve --help");
    let cases: &[(&[&str], String)] = &[
        (&["--allow-host", "a:1"], format!("--allow-host: {NO_HOST}")),
        (
            &["--allow-host", "a", "--allow-host", "*"],
            "--allow-host: '*' allows any: give nothing beside it".into(),
        ),
        (&["--origin", "https://a", "--origin", "a.example"], format!("--origin: {NO_ORIGIN}")),
        (&["--log", "loud"], format!("--log: {NO_LEVEL}")),
        (&["--log", "info,loud"], format!("--log: {NO_LEVEL}")),
        (
            &["--tls-key", "key.pem"],
            "--tls-key: alone makes no TLS: give --tls-cert too, or neither".into(),
        ),
        (
            &["--webtransport", "true"],
            "--webtransport: needs a certificate: give --tls-cert and --tls-key".into(),
        ),
        (
            &["--limit", "sesions_max=5"],
            "--limit: there is no limit 'sesions_max' (a similar one exists: 'sessions_max')"
                .into(),
        ),
        (
            &["--limit", "engineio max_payload=5"],
            "--limit: 'engineio max_payload' is a protocol's: set in code only, by its mount's \
             `config`"
                .into(),
        ),
        (
            &["--port", "abc"],
            sees("invalid value 'abc' for '--port <PORT>': expected a number up to 65535"),
        ),
        (
            &["--threads", "0"],
            sees("invalid value '0' for '--threads <COUNT>': expected a number from 1 on"),
        ),
        (
            &["--gzip", "yes"],
            sees("invalid value 'yes' for '--gzip <BOOL>' [possible values: true, false]"),
        ),
        (&["--listen=::"], sees("unexpected argument '--listen' found (it is '--host' here)")),
        (&["--bind", "::"], sees("unexpected argument '--bind' found (it is '--host' here)")),
    ];
    for (arguments, line) in cases {
        let arguments: Vec<_> = [&["serve"], *arguments].concat();
        assert_eq!(Omniwire::new("a_flag", &arguments).mistake(), *line);
    }
}

#[test]
fn a_variable() {
    for (name, value, line) in [
        (
            "OMNIWIRE_PORT",
            "abc",
            "invalid value 'abc' for OMNIWIRE_PORT: expected a number up to 65535; see omniwire \
             serve --help"
                .into(),
        ),
        ("OMNIWIRE_HOSTS", "a,a:1", format!("OMNIWIRE_HOSTS: {NO_HOST}")),
        ("OMNIWIRE_ORIGINS", "https://a,a.example", format!("OMNIWIRE_ORIGINS: {NO_ORIGIN}")),
        ("OMNIWIRE_LOG", "loud", format!("OMNIWIRE_LOG: {NO_LEVEL}")),
        (
            "OMNIWIRE_WEBTRANSPORT",
            "true",
            "OMNIWIRE_WEBTRANSPORT: needs a certificate: give OMNIWIRE_TLS_CERT and \
             OMNIWIRE_TLS_KEY"
                .into(),
        ),
    ] {
        let omniwire = Omniwire::new("a_variable", &["serve"]).variable(name, value);
        assert_eq!(omniwire.mistake(), line);
    }
}

#[test]
fn a_flag_is_not_blamed_on_the_variable_it_overrules() {
    let omniwire = Omniwire::new("overruled", &["serve", "--port", "x"]);
    let line = omniwire.variable("OMNIWIRE_PORT", "y").mistake();
    assert!(line.starts_with("invalid value 'x' for '--port <PORT>'"), "{line}");
}

#[test]
fn a_place_in_the_file() {
    for (text, line) in [
        ("origins = [\n  \"*\"\n, \"a\"]", STAR.into()),
        (
            "origins = [\n  \"https://a\", \"a.example\"]",
            format!("2, column 16: origins: {NO_ORIGIN}"),
        ),
        (
            "socketio_cookie = { path = \"ä\", name = \"a b\" }",
            format!("1, column 40: socketio_cookie: {NO_COOKIE}"),
        ),
        ("hosts = [\"a:1\"]", format!("1, column 10: hosts: {NO_HOST}")),
        ("log = \"loud\"", format!("1, column 7: log: {NO_LEVEL}")),
        (
            "\nthreads = 0",
            "2, column 11: invalid value: integer `0`, expected a number from 1 on".into(),
        ),
        (
            "drain_rate = 0",
            "1, column 14: invalid value: integer `0`, expected a number from 1 on".into(),
        ),
        (
            "port = \"abc\"",
            "1, column 8: invalid type: string \"abc\", expected a number up to 65535".into(),
        ),
        (
            "origins = \"a\"",
            "1, column 11: invalid type: string \"a\", expected a list, as in [\"...\"]".into(),
        ),
        ("gzip = 1", "1, column 8: invalid type: integer `1`, expected true or false".into()),
        (
            "[socketio_cookie]\nsecure = true\nname = \"a b\"",
            format!("3, column 8: socketio_cookie: {NO_COOKIE}"),
        ),
        (
            "[socketio_cookie]\nhttpOnly = true",
            "2, column 1: unknown field `httpOnly` (a similar one exists: `http_only`)".into(),
        ),
        (
            "tls_cert = \"cert.pem\"",
            "1, column 12: tls_cert: alone makes no TLS: give tls_key too, or neither".into(),
        ),
        (
            "tls_key = \"key.pem\"\ntls_cert = \"none.pem\"",
            "2, column 12: tls_cert: cannot read the certificate none.pem: No such file or \
             directory (os error 2)"
                .into(),
        ),
        (
            "webtransport = true",
            "1, column 16: webtransport: needs a certificate: give tls_cert and tls_key".into(),
        ),
        (
            "[limits]\ncalls_max = 0",
            "2, column 13: invalid value: integer `0`, expected a number from 1 on".into(),
        ),
        (
            "[limits]\nsesions_max = 5",
            "2, column 1: limits: there is no limit 'sesions_max' (a similar one exists: \
             'sessions_max')"
                .into(),
        ),
    ] {
        let omniwire = Omniwire::new("a_place_in_the_file", &["serve"]).file(text);
        assert_eq!(omniwire.mistake(), format!("chat.toml, line {line}"), "{text}");
    }
}

#[test]
fn a_name_in_the_file() {
    for (text, line) in [
        ("origin = []", "1, column 1: unknown field `origin` (a similar one exists: `origins`)"),
        ("[limit]", "1, column 2: unknown field `limit` (a similar one exists: `limits`)"),
        (
            "tls-cert = \"a\"",
            "1, column 1: unknown field `tls-cert` (a similar one exists: `tls_cert`)",
        ),
    ] {
        let omniwire = Omniwire::new("a_name_in_the_file", &["serve"]).file(text);
        assert_eq!(omniwire.mistake(), format!("chat.toml, line {line}"), "{text}");
    }
}

#[test]
fn variables_and_addresses_that_do_nothing() {
    // An address of RFC 5737, which no machine has.
    let omniwire = Omniwire::new("nothing", &["serve", "--host", "192.0.2.1"]);
    let said = omniwire.variable("OMNIWIRE_PROT", "1").said();
    for line in [
        "the variable OMNIWIRE_PROT is no setting (a similar one exists: OMNIWIRE_PORT)\n",
        "this machine has no such address: choose one with --host, or 0.0.0.0 for all\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn a_file_that_is_not_there() {
    let line = Omniwire::new("no_file", &["serve", "--config", "none.toml"]).mistake();
    assert_eq!(
        line,
        "--config: cannot read the configuration none.toml: No such file or directory (os error 2)"
    );
}

#[test]
fn a_word_of_the_wrong_subcommand() {
    let line = Omniwire::new("words", &["config", "limts"]).mistake();
    assert!(line.ends_with("(a similar subcommand exists: 'limits'); see omniwire config --help"));
}
