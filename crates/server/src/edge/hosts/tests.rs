use super::*;

fn allows(hosts: &Hosts, local: &str, host: &str) -> bool {
    let request = Request::get("/").header(header::HOST, host).body(()).unwrap();
    hosts.judge(&request, Some(local.parse().unwrap())) == Verdict::Ours
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
    let hosts = Hosts::list(["Chat.Example", "b.example."]).unwrap();
    for local in ["127.0.0.1", "192.0.2.1"] {
        assert!(allows(&hosts, local, "chat.example:443"));
        assert!(allows(&hosts, local, "b.example"));
        assert!(allows(&hosts, local, "localhost"));
        assert!(!allows(&hosts, local, "chat.example.evil.example"));
        assert!(!allows(&hosts, local, "xchat.example"));
    }
    assert!(allows(&Hosts::any(), "127.0.0.1", "evil.example"));
}

#[test]
fn what_no_host_can_be_is_not_listed() {
    for good in ["a", "chat-1.example", "chat_1.example.", "192.0.2.1", "::1"] {
        assert!(Hosts::list([good]).is_ok(), "{good}");
    }
    let bad = ["", ".", "a..b", "https://chat.example", "chat.example:8111", "*.example", "*"];
    for bad in bad.into_iter().chain(["a/b", "a,b", "a b", "café.example", "[::1]:80"]) {
        assert_eq!(Hosts::list(["a", bad]), Err(BadHost(bad.to_owned())), "{bad}");
    }
}

#[test]
fn target_and_every_host_header_count() {
    let hosts = Hosts::default();
    let local = "127.0.0.1".parse().unwrap();
    let absolute = Request::get("http://evil.example/").header(header::HOST, "localhost");
    assert_eq!(hosts.judge(&absolute.body(()).unwrap(), Some(local)), Verdict::NotOurs);
    let twice = Request::get("/").header(header::HOST, "localhost");
    let twice = twice.header(header::HOST, "evil.example");
    assert_eq!(hosts.judge(&twice.body(()).unwrap(), Some(local)), Verdict::NotOurs);
    let none = Request::get("/").body(()).unwrap();
    assert_eq!(hosts.judge(&none, Some(local)), Verdict::Ours);
}

#[test]
fn what_is_no_host_is_refused_wherever_it_comes() {
    for host in
        ["", ":80", "a@b", "[zz]", "[::1", "localhost:port", "localhost:99999", "a b", "a/b", "a,b"]
    {
        for hosts in [Hosts::default(), Hosts::any(), Hosts::list(["a"]).unwrap()] {
            let request = Request::get("/").header(header::HOST, host).body(()).unwrap();
            let verdict = hosts.judge(&request, None);
            assert_eq!(verdict, Verdict::Malformed, "{host}");
        }
    }
}
