use super::*;

fn settings(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let lookup = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Settings::from(&Environment(&lookup)).map_err(|Mistake(line)| line)
}

#[test]
fn nothing_set_means_the_official_servers_defaults() {
    let settings = settings(&[("SIO_COOKIE", ""), ("SIO_ADMIN", "0")]).unwrap();
    assert_eq!(settings.config, socketio::Config::default());
    assert_eq!((settings.path.as_str(), settings.origins), ("/socket.io/", None));
    assert!(!settings.official);
}

#[test]
fn the_official_suite_is_known_by_exactly_its_settings() {
    let mut variables = vec![
        ("SIO_PORT", "3000"),
        ("SIO_PING_INTERVAL", "300"),
        ("SIO_PING_TIMEOUT", "200"),
        ("SIO_CONNECT_TIMEOUT", "1000"),
    ];
    assert!(settings(&variables).unwrap().official);
    variables.push(("SIO_MAX_PAYLOAD", "10000"));
    assert!(!settings(&variables).unwrap().official);
}

#[test]
fn all_settings_are_read() {
    let settings = settings(&[
        ("SIO_PATH", "/other/"),
        ("SIO_UPGRADE_TIMEOUT", "500"),
        ("SIO_MAX_PAYLOAD", "2000"),
        ("SIO_TRANSPORTS", "websocket"),
        ("SIO_EIO3", "1"),
        ("SIO_COOKIE", "io"),
        ("SIO_CORS", "http://app.example"),
    ])
    .unwrap();
    let engine = &settings.config.engine;
    assert_eq!(settings.path, "/other/");
    assert_eq!(engine.upgrade_timeout, Duration::from_millis(500));
    assert_eq!(engine.max_payload, 2000);
    assert_eq!(engine.transports, engineio::Transports { polling: false, ..Default::default() });
    assert!(engine.allow_eio3);
    assert_eq!(engine.cookie.as_ref(), Some(&engineio::Cookie::default()));
    assert_eq!(settings.origins, Some(Origins::list(["http://app.example"]).unwrap()));
}

#[test]
fn recovery_is_on_for_a_window_and_told_of_the_heartbeat() {
    assert_eq!(settings(&[("SIO_RECOVERY_MS", "0")]).unwrap().recovery, None);
    let variables = [
        ("SIO_RECOVERY_MS", "1500"),
        ("SIO_RECOVERY_SKIP_MW", "0"),
        ("SIO_PING_INTERVAL", "300"),
        ("SIO_PING_TIMEOUT", "200"),
    ];
    let recovery = settings(&variables).unwrap().recovery.unwrap();
    assert_eq!(recovery.window, Duration::from_millis(1500));
    assert_eq!(recovery.notice, Duration::from_millis(500));
    assert!(!recovery.skip_admission);
}

#[test]
fn what_cannot_be_is_told_in_a_line() {
    for (name, value, line) in [
        ("SIO_RECOVERY_MS", "soon", "SIO_RECOVERY_MS: 'soon' is no number in range"),
        ("SIO_PARSER", "xml", "SIO_PARSER: 'xml' is no parser"),
        ("SIO_TRANSPORTS", "pigeon", "SIO_TRANSPORTS: 'pigeon' is no transport"),
        ("SIO_EIO3", "yes", "SIO_EIO3: 'yes' is neither 0 nor 1"),
        ("SIO_PING_TIMEOUT", "-1", "SIO_PING_TIMEOUT: '-1' is no number in range"),
        ("SIO_PATH", "io", "SIO_PATH: 'io' does not begin with a slash"),
    ] {
        assert_eq!(settings(&[(name, value)]).unwrap_err(), line);
    }
}

fn secured(variables: &[(&str, &str)]) -> Result<Security, String> {
    let lookup = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let mut security = Security::default();
    let done = Environment(&lookup).secure(&mut security);
    done.map(|()| security).map_err(|Mistake(line)| line)
}

#[test]
fn webtransport_is_a_transport_that_needs_a_certificate() {
    let variables = [("SIO_TRANSPORTS", "polling,webtransport")];
    let engine = settings(&variables).unwrap().config.engine;
    let transports = engineio::Transports { webtransport: true, websocket: false, polling: true };
    assert_eq!(engine.transports, transports);
    let certificate =
        "SIO_WT_CERT is not set: WebTransport is encrypted, so it needs a certificate";
    assert_eq!(secured(&variables).unwrap_err(), certificate);
    assert_eq!(secured(&[("SIO_WT_PORT", "3000")]).unwrap_err(), certificate);
    assert_eq!(secured(&[("SIO_WT_KEY", "key.pem")]).unwrap_err(), certificate);
    let key = "SIO_WT_KEY is not set: WebTransport is encrypted, so it needs the certificate's key";
    assert_eq!(secured(&[("SIO_WT_CERT", "certificate.pem")]).unwrap_err(), key);
    assert!(secured(&[]).unwrap().udp.is_none());
}

#[test]
fn a_file_that_is_missing_is_named() {
    let variables = [("SIO_WT_CERT", "nowhere/c.pem"), ("SIO_WT_KEY", "nowhere/k.pem")];
    let line = secured(&variables).unwrap_err();
    let begin = "SIO_WT_CERT, SIO_WT_KEY: cannot read the certificate nowhere/c.pem: ";
    assert!(line.starts_with(begin), "{line}");
}
