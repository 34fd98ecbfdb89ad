use super::*;

fn allows(hosts: &Hosts, local: &str, host: &str) -> bool {
    let request = Request::get("/").header(header::HOST, host).body(()).unwrap();
    hosts.allow(&request, local.parse().unwrap())
}

#[test]
fn on_loopback_only_local_names_pass() {
    let hosts = Hosts::default();
    let local = [
        "127.0.0.1:8000",
        "127.0.0.1",
        "localhost:1",
        "LocalHost",
        "localhost.",
        "app.localhost",
        "[::1]:8000",
        "[::1]",
        "192.0.2.1",
        "backend",
    ];
    for host in local {
        assert!(allows(&hosts, "127.0.0.1", host), "{host}");
    }
    for host in ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io"]
    {
        assert!(!allows(&hosts, "127.0.0.1", host), "{host}");
        assert!(!allows(&hosts, "::1", host), "{host}");
        assert!(!allows(&hosts, "::ffff:127.0.0.1", host), "{host}");
        assert!(allows(&hosts, "0.0.0.0", host), "{host}");
    }
}

#[test]
fn names_that_are_listed_pass_and_no_others_wherever_it_listens() {
    let hosts = Hosts::list(["Chat.Example"]);
    for local in ["127.0.0.1", "192.0.2.1"] {
        assert!(allows(&hosts, local, "chat.example:443"));
        assert!(allows(&hosts, local, "localhost"));
        assert!(!allows(&hosts, local, "chat.example.evil.example"));
        assert!(!allows(&hosts, local, "xchat.example"));
    }
    assert!(allows(&Hosts::any(), "127.0.0.1", "evil.example"));
}

#[test]
fn target_and_every_host_header_count() {
    let hosts = Hosts::default();
    let local = "127.0.0.1".parse().unwrap();
    let absolute = Request::get("http://evil.example/").header(header::HOST, "localhost");
    assert!(!hosts.allow(&absolute.body(()).unwrap(), local));
    let twice = Request::get("/").header(header::HOST, "localhost");
    let twice = twice.header(header::HOST, "evil.example");
    assert!(!hosts.allow(&twice.body(()).unwrap(), local));
    let none = Request::get("/").body(()).unwrap();
    assert!(hosts.allow(&none, local));
}
