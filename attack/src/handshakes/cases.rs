//! The handshakes themselves.

use crate::attack::Target;

/// What answer is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// 101.
    Opens,
    /// 101 with permessage-deflate.
    Compresses,
    /// 101 without it.
    DoesNotCompress,
    /// A 4xx, 501 or 505, or the end of TCP.
    Refused,
    /// Exactly this.
    Status(u16),
    /// 426 that names version 13, or 400.
    Version,
    /// 101 or 4xx.
    Either,
}

use Right::{Compresses, DoesNotCompress, Either, Opens, Refused, Status, Version};

/// One handshake.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) octets: Vec<u8>,
    pub(super) right: Right,
}

/// A handshake to be spoiled in one place.
struct Head {
    line: String,
    fields: Vec<(String, Vec<u8>)>,
    after: Vec<u8>,
}

impl Head {
    fn new(target: Target) -> Self {
        let field = |name: &str, value: String| (name.to_owned(), value.into_bytes());
        Self {
            line: "GET /echo HTTP/1.1".to_owned(),
            fields: vec![
                field("Host", target.address.to_string()),
                field("Upgrade", "websocket".to_owned()),
                field("Connection", "Upgrade".to_owned()),
                field("Sec-WebSocket-Key", KEY.to_owned()),
                field("Sec-WebSocket-Version", "13".to_owned()),
            ],
            after: Vec::new(),
        }
    }

    fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).with(name, value)
    }

    fn line(mut self, line: &str) -> Self {
        self.line = line.to_owned();
        self
    }

    fn after(mut self, octets: impl AsRef<[u8]>) -> Self {
        self.after = octets.as_ref().to_vec();
        self
    }

    fn octets(&self) -> Vec<u8> {
        let mut octets = format!("{}\r\n", self.line).into_bytes();
        for (name, value) in &self.fields {
            octets.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(&self.after);
        octets
    }
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// All of them.
pub(super) fn all(target: Target) -> Vec<Case> {
    let mut list = List { target, cases: Vec::new() };
    list.sound();
    list.lines();
    list.targets();
    list.hosts();
    list.tokens();
    list.keys_and_versions();
    list.field_syntax();
    list.subprotocols();
    list.extensions();
    list.odd_extensions();
    list.bodies();
    list.sizes();
    list.cases
}

struct List {
    target: Target,
    cases: Vec<Case>,
}

impl List {
    fn head(&self) -> Head {
        Head::new(self.target)
    }

    fn add(&mut self, name: impl Into<String>, head: &Head, right: Right) {
        self.raw(name, head.octets(), right);
    }

    fn raw(&mut self, name: impl Into<String>, octets: Vec<u8>, right: Right) {
        self.cases.push(Case { name: name.into(), octets, right });
    }

    /// Sets one field to each value.
    fn each(&mut self, group: &str, field: &str, values: &[&str], right: Right) {
        for value in values {
            let shown: String = value.chars().take(40).collect();
            let head = self.head().set(field, value);
            self.add(format!("{group}={shown}"), &head, right);
        }
    }

    fn sound(&mut self) {
        self.add("sound", &self.head(), Opens);
        let text = String::from_utf8_lossy(&self.head().octets()).into_owned();
        self.raw("sound-lower", text.replace("Sec-WebSocket", "sec-websocket").into(), Opens);
        self.raw("sound-upper", text.replace("Sec-WebSocket", "SEC-WEBSOCKET").into(), Opens);
        self.raw("sound-no-space", text.replace(": ", ":").into(), Opens);
        self.raw("sound-tabs", text.replace(": ", ":\t \t").into(), Opens);
        self.raw(
            "sound-trailing-space",
            text.replace("websocket\r\n", "websocket \t\r\n").into(),
            Opens,
        );
        self.raw("sound-empty-line-before", format!("\r\n{text}").into(), Opens);
        self.raw("lf-only", text.replace("\r\n", "\n").into(), Either);
        self.each(
            "upgrade",
            "Upgrade",
            &["WebSocket", "WEBSOCKET", "h2c, websocket", "websocket,foo"],
            Opens,
        );
        let connections =
            ["upgrade", "UPGRADE", "keep-alive, Upgrade", "Upgrade,keep-alive", " , Upgrade"];
        self.each("connection", "Connection", &connections, Opens);
        let twice = self.head().set("Connection", "keep-alive").with("Connection", "Upgrade");
        self.add("connection-two-lines", &twice, Opens);
        self.add("origin-absent", &self.head(), Opens);
    }

    fn lines(&mut self) {
        let methods = [
            "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "Get",
            "GETT", "PRI", "M-SEARCH", "PROPFIND",
        ];
        for method in methods {
            let head = self.head().line(&format!("{method} /echo HTTP/1.1"));
            self.add(format!("method={method}"), &head, Refused);
        }
        for version in [
            "HTTP/1.0",
            "HTTP/0.9",
            "HTTP/1.2",
            "HTTP/2.0",
            "HTTP/3",
            "HTP/1.1",
            "http/1.1",
            "HTTP/1",
            "HTTP/1.",
            "HTTP/1.1.1",
            "HTTP/01.1",
            "HTTP/9999999999.1",
            "",
            "FTP/1.1",
        ] {
            let head = self.head().line(&format!("GET /echo {version}"));
            self.add(format!("version={version}"), &head, Refused);
        }
        let lines = [
            "GET  /echo HTTP/1.1",
            "GET /echo  HTTP/1.1",
            "GET\t/echo\tHTTP/1.1",
            " GET /echo HTTP/1.1",
            "GET /echo HTTP/1.1 x",
            "GET/echo HTTP/1.1",
            "GET",
            "",
            "/echo",
            "GET /echo",
            "GET /echo\u{0}HTTP/1.1",
            "G\u{1}T /echo HTTP/1.1",
            "GET /ec ho HTTP/1.1",
            "\u{16}\u{3}\u{1}\u{2}\u{0}",
        ];
        for line in lines {
            let head = self.head().line(line);
            self.add(format!("line={}", line.escape_default()), &head, Refused);
        }
    }

    fn targets(&mut self) {
        let own = self.target.address;
        let good = format!("GET http://{own}/echo HTTP/1.1");
        self.add("target=absolute", &self.head().line(&good), Opens);
        self.add("target=query", &self.head().line("GET /echo?a=%zz&b=%&=&&c HTTP/1.1"), Opens);
        self.add("target=slash-after", &self.head().line("GET /echo/ HTTP/1.1"), Opens);
        self.add(
            "target=abs-evil",
            &self.head().line("GET http://evil.example/echo HTTP/1.1"),
            Status(421),
        );
        let refused = [
            ("auth-form", "evil.example:80"),
            ("scheme-rel", "//evil.example/echo"),
            ("star", "*"),
            ("crlf-enc", "/echo%0d%0aX-Injected:%20y"),
            ("dots", "/../echo"),
            ("dots-inside", "/a/../echo"),
            ("enc-slash", "/%2Fecho"),
            ("backslash", "\\echo"),
            ("no-slash", "echo"),
            ("double-slash", "//echo"),
            ("nul-enc", "/echo%00"),
            ("unknown", "/nothing"),
            ("upper", "/ECHO"),
            ("fragment", "/echo#x/../y"),
            ("enc-echo", "/%65cho%"),
            ("semicolon", "/echo;x"),
            ("ftp", "ftp://evil.example/echo"),
            ("user", "http://user@evil.example/echo"),
            ("empty-host", "http:///echo"),
            ("quote", "/\"<script>"),
            ("file", "file:///etc/passwd"),
            ("brackets", "http://[::1/echo"),
            ("port", "http://evil.example:99999/echo"),
        ];
        for (name, target) in refused {
            let head = self.head().line(&format!("GET {target} HTTP/1.1"));
            // A fragment is no part of a target; what is before it may count.
            let right = if name == "fragment" { Either } else { Refused };
            self.add(format!("target={name}"), &head, right);
        }
        for octet in [0_u8, 1, 8, 9, 0x0b, 0x0c, 0x1b, 0x1f, 0x7f] {
            let mut octets = self.head().octets();
            octets.splice(6..6, [octet]);
            self.raw(format!("target=ctl-{octet:02x}"), octets, Refused);
        }
        for octet in [0x80_u8, 0xc3, 0xff] {
            let mut octets = self.head().octets();
            octets.splice(6..6, [octet]);
            self.raw(format!("target=high-{octet:02x}"), octets, Refused);
        }
        let long = self.head().line(&format!("GET /{} HTTP/1.1", "x".repeat(70_000)));
        self.add("target=long", &long, Refused);
        let long = self.head().line(&format!("GET /echo?{} HTTP/1.1", "x".repeat(70_000)));
        self.add("target=long-query", &long, Refused);
    }

    fn hosts(&mut self) {
        let own = self.target.address.to_string();
        self.add("host-missing", &self.head().without("Host"), Status(400));
        self.add("host-twice-same", &self.head().with("Host", &own), Refused);
        self.add("host-twice-evil", &self.head().with("Host", "evil.example"), Refused);
        self.each(
            "host",
            "Host",
            &["localhost", "127.0.0.1", "[::1]", "[::1]:80", "LOCALHOST:1"],
            Opens,
        );
        let evil =
            ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"];
        self.each("host-evil", "Host", &evil, Status(421));
        let bad = [
            "a b",
            "a@b",
            "http://localhost",
            "localhost/",
            "[::1",
            "a,b",
            "localhost:port",
            "a\"b",
            "localhost:80:80",
            "<x>",
            "a\\b",
            "[zz]",
            ":80",
        ];
        self.each("host-bad", "Host", &bad, Refused);
        self.each("host-empty", "Host", &[""], Refused);
    }

    fn tokens(&mut self) {
        self.add("upgrade-missing", &self.head().without("Upgrade"), Refused);
        self.each(
            "upgrade-bad",
            "Upgrade",
            &[
                "",
                "websockets",
                "web socket",
                "h2c",
                "TLS/1.0",
                "xwebsocket",
                "\"websocket\"",
                "websocket;q=1",
                ",",
            ],
            Refused,
        );
        self.add("connection-missing", &self.head().without("Connection"), Refused);
        self.each(
            "connection-bad",
            "Connection",
            &[
                "",
                "keep-alive",
                "close",
                "notupgrade",
                "upgraded",
                "\"Upgrade\"",
                "up grade",
                "Upgrade;x",
                ",",
            ],
            Refused,
        );
        let h2c = self.head().set("Upgrade", "h2c").set("Connection", "Upgrade, HTTP2-Settings");
        self.add("upgrade-h2c", &h2c.with("HTTP2-Settings", "AAMAAABkAARAAAAA"), Refused);
        self.each(
            "origin",
            "Origin",
            &["http://evil.example", "null", "garbage", "http://"],
            Either,
        );
    }

    fn keys_and_versions(&mut self) {
        self.add("key-missing", &self.head().without("Sec-WebSocket-Key"), Status(400));
        self.add("key-twice", &self.head().with("Sec-WebSocket-Key", KEY), Status(400));
        self.add(
            "key-twice-other",
            &self.head().with("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
            Status(400),
        );
        let long = "A".repeat(10_000);
        let keys = [
            "",
            "x",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZWU=",
            "dGhlIHNhbXBsZSBub25jZWVl",
            "dGhlIHNhbXBsZSBub25-_Q==",
            "dGhl IHNhbXBsZSBub25jZQ==",
            "====",
            "dGhlIHNhbXBsZSBub25jZQ==, x",
            "!Ghl#HNhbXBsZSBub25jZQ==",
            &long,
        ];
        self.each("key", "Sec-WebSocket-Key", &keys, Status(400));
        self.add("version-missing", &self.head().without("Sec-WebSocket-Version"), Version);
        self.add("version-twice", &self.head().with("Sec-WebSocket-Version", "13"), Refused);
        let versions = [
            "",
            "0",
            "1",
            "7",
            "8",
            "12",
            "14",
            "99",
            "013",
            "13.0",
            "+13",
            "-13",
            "1 3",
            "13, 14",
            "13,13",
            "0x0d",
            "256",
            "13;x",
            "99999999999999999999",
            "x",
        ];
        self.each("ws-version", "Sec-WebSocket-Version", &versions, Version);
    }

    fn field_syntax(&mut self) {
        for octet in b"\0\x01\x08\x0b\x0c\x1f\x7f\"(),/;<=>?@[\\]{} \t" {
            let mut octets = self.head().octets();
            octets.truncate(octets.len() - 2);
            octets.extend([b"X-", &[*octet][..], b"Y: 1\r\n\r\n"].concat());
            self.raw(format!("name-char-{octet:02x}"), octets, Refused);
        }
        for octet in [0x80_u8, 0xe2, 0xff] {
            let mut octets = self.head().octets();
            octets.truncate(octets.len() - 2);
            octets.extend([b"X", &[octet][..], b": 1\r\n\r\n"].concat());
            self.raw(format!("name-high-{octet:02x}"), octets, Refused);
        }
        for octet in [0_u8, 1, 2, 7, 8, 0x0b, 0x0c, 0x0e, 0x1a, 0x1b, 0x1f, 0x7f] {
            let head = self.head().with("X-Value", [b'a', octet, b'b']);
            self.add(format!("value-ctl-{octet:02x}"), &head, Refused);
        }
        self.add("esc-in-value", &self.head().with("User-Agent", "\u{1b}[31mred"), Refused);
        self.add("value-bare-cr", &self.head().with("X-Value", "a\rX-Injected: b"), Refused);
        for name in [
            "Cookie",
            "Origin",
            "User-Agent",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
            "Referer",
            "X-Forwarded-For",
            "Authorization",
        ] {
            let head = self.head().set(name, [b'a', 0xc3, 0xa9, 0xff]);
            self.add(format!("non-ascii-{name}"), &head, Either);
        }
        let lines = [
            ("space-before-colon", "X-Space : 1\r\n"),
            ("no-colon", "no colon here\r\n"),
            ("colon-only", ": 1\r\n"),
            ("obs-fold", "X-Fold: a\r\n b\r\n"),
            ("obs-fold-tab", "X-Fold: a\r\n\tb\r\n"),
            ("first-fold", " x: y\r\n"),
            ("lone-cr", "\rX: y\r\n"),
        ];
        for (name, line) in lines {
            let text = String::from_utf8_lossy(&self.head().octets()).into_owned();
            let spoiled = match name {
                "first-fold" => text.replacen("HTTP/1.1\r\n", &format!("HTTP/1.1\r\n{line}"), 1),
                _ => format!("{}{line}\r\n", text.trim_end_matches("\r\n").to_owned() + "\r\n"),
            };
            self.raw(format!("field-{name}"), spoiled.into_bytes(), Refused);
        }
        for cookie in [
            "",
            ";;;;",
            "a",
            "=",
            "=;=",
            "a=b; a=b; a=b",
            "\"",
            "a=\"",
            "__proto__=1; constructor=2",
            "%",
            "a=%zz",
            "$Version=1",
            ",,,",
        ] {
            let head = self.head().with("Cookie", cookie);
            self.add(format!("cookie-junk={cookie}"), &head, Opens);
        }
    }

    fn subprotocols(&mut self) {
        let field = "Sec-WebSocket-Protocol";
        self.each(
            "proto",
            field,
            &["chat", "a,b", "a, b ,c", "unknown", "x-1!#$%&'*+.^_`|~"],
            Opens,
        );
        self.each(
            "proto-bad",
            field,
            &["", "ch@t", "a b", ",", ",,", "a;b", "\"a\"", "a,b c", "(a)", "a/b", "é"],
            Refused,
        );
        let spaces = format!("a,{}b", " ".repeat(10_000));
        self.add("proto-spaces", &self.head().with(field, spaces), Either);
        let many: Vec<_> = (0..1000).map(|number| format!("p{number}")).collect();
        self.add("proto-many", &self.head().with(field, many.join(",")), Opens);
        self.add("proto-twice", &self.head().with(field, "a").with(field, "b"), Opens);
        self.add("proto-same", &self.head().with(field, "a, a"), Either);
    }

    fn extensions(&mut self) {
        let field = "Sec-WebSocket-Extensions";
        let deflate = |parameters: &str| format!("permessage-deflate{parameters}");
        for good in [
            "",
            "; client_max_window_bits",
            "; server_max_window_bits=10",
            "; server_max_window_bits=\"10\"",
            "; client_max_window_bits=15",
            "; server_no_context_takeover",
            "; client_no_context_takeover",
            "; server_max_window_bits=15; client_max_window_bits=9",
            " ; server_no_context_takeover ",
        ] {
            self.add(
                format!("ext=good{good}"),
                &self.head().with(field, deflate(good)),
                Compresses,
            );
        }
        for bad in [
            "; server_max_window_bits=7",
            "; server_max_window_bits=16",
            "; server_max_window_bits=010",
            "; server_max_window_bits=+9",
            "; server_max_window_bits",
            "; server_max_window_bits=x",
            "; server_max_window_bits=99999999999999999999",
            "; client_max_window_bits=7",
            "; client_max_window_bits=16",
            "; client_max_window_bits=0",
            "; client_max_window_bits=-1",
            "; server_no_context_takeover=1",
            "; client_no_context_takeover=true",
            "; unknown",
            "; unknown=1",
            "; server_no_context_takeover; server_no_context_takeover",
            "; client_max_window_bits; client_max_window_bits=10",
            "; server_max_window_bits=1e1",
        ] {
            self.add(
                format!("ext=declined{bad}"),
                &self.head().with(field, deflate(bad)),
                DoesNotCompress,
            );
        }
    }

    fn odd_extensions(&mut self) {
        let field = "Sec-WebSocket-Extensions";
        for odd in [
            "constructor",
            "__proto__",
            "toString; valueOf=1",
            "hasOwnProperty",
            "x-webkit-deflate-frame",
            "permessage-bzip2",
            "foo; bar=\"quoted\"",
            "permessage-deflate-not",
        ] {
            self.add(format!("ext-odd={odd}"), &self.head().with(field, odd), DoesNotCompress);
        }
        let unclosed = format!("a; b=\"{}", "\\c".repeat(4000));
        self.add("ext-unclosed-quote", &self.head().with(field, unclosed), Refused);
        self.each(
            "ext-bad",
            field,
            &[
                "foo;;=",
                "foo; =1",
                ";",
                "foo bar",
                "foo; b=\"",
                "foo; b=\"\"",
                "foo=1",
                "@",
                "foo; b=a b",
                // Unescaped, a quoted value must be a token (RFC 6455, 9.1).
                "foo; bar=\"q\\\"uoted\"",
                "permessage-deflate; server_max_window_bits=\"1",
            ],
            Refused,
        );
        self.add(
            "ext-two-lines",
            &self.head().with(field, "foo").with(field, "permessage-deflate"),
            Compresses,
        );
        self.add(
            "ext-bad-then-good",
            &self
                .head()
                .with(field, "permessage-deflate; server_max_window_bits=7, permessage-deflate"),
            Compresses,
        );
        let many = vec!["permessage-deflate; unknown"; 400].join(",");
        self.add("ext-many", &self.head().with(field, many), DoesNotCompress);
    }

    fn bodies(&mut self) {
        let frame = b"\x81\x85\0\0\0\0hello";
        let (len, te) = ("Content-Length", "Transfer-Encoding");
        let own = self.target.address;
        let inner = format!("GET /stats HTTP/1.1\r\nHost: {own}\r\n\r\n");
        let smuggled = inner.len().to_string();
        self.add("body=cl5", &self.head().with(len, "5").after("hello"), Refused);
        self.add("body=cl-frame", &self.head().with(len, "11").after(frame), Refused);
        self.add("body=cl-smuggle", &self.head().with(len, smuggled).after(&inner), Refused);
        self.add("body=cl-missing-body", &self.head().with(len, "1000000"), Refused);
        self.add(
            "body=te",
            &self.head().with(te, "chunked").after("5\r\nhello\r\n0\r\n\r\n"),
            Refused,
        );
        self.add("body=te-empty", &self.head().with(te, "chunked").after("0\r\n\r\n"), Refused);
        let both = self.head().with(len, "5").with(te, "chunked").after("0\r\n\r\n");
        self.add("body=cl-te", &both, Refused);
        let both = self.head().with(te, "chunked").with(len, "5").after("0\r\n\r\n");
        self.add("body=te-cl", &both, Refused);
        self.add("body=te-twice", &self.head().with(te, "chunked").with(te, "chunked"), Refused);
        let smuggle = format!("0\r\n\r\n{inner}");
        self.add("body=te-smuggle", &self.head().with(te, "chunked").after(smuggle), Refused);
        for value in
            ["+5", "5, 5", "5, 6", "-1", "5 5", "0x5", "", "5;", "99999999999999999999999", "5.0"]
        {
            let head = self.head().with(len, value).after("hello");
            self.add(format!("body=cl {value}"), &head, Refused);
        }
        self.add(
            "body=cl-twice",
            &self.head().with(len, "5").with(len, "6").after("hello"),
            Refused,
        );
        for value in [
            "identity",
            "gzip",
            "chunked, chunked",
            "xchunked",
            "chunked;x",
            "gzip, chunked",
            " chunked",
        ] {
            let head = self.head().with(te, value).after("0\r\n\r\n");
            self.add(format!("body=te {value}"), &head, Refused);
        }
        let huge = format!("{}\r\n", "f".repeat(1000));
        self.add("body=chunk-huge", &self.head().with(te, "chunked").after(huge), Refused);
        self.add("body=cl0", &self.head().with(len, "0"), Either);
        let late = self.head().set("Upgrade", "nothing").after(&inner);
        self.add("upgrade-then-http", &late, Refused);
        self.add("expect-100", &self.head().with("Expect", "100-continue"), Either);
        let line = "GET /echo HTTP/1.0";
        self.add("body=te-http10", &self.head().line(line).with(te, "chunked"), Refused);
    }

    fn sizes(&mut self) {
        for count in [101, 200, 2000, 20_000] {
            let head = (0..count).fold(self.head(), |head, n| head.with(&format!("X-{n}"), "1"));
            self.add(format!("headers={count}"), &head, Refused);
        }
        let head = (0..2000).fold(self.head(), |head, _| head.with("X-Same", "1"));
        self.add("headers-same-2000", &head, Refused);
        let head = self.head().with("Cookie", "a=b; ".repeat(8000));
        self.add("cookies-8000", &head, Refused);
        let head = (0..8000).fold(self.head(), |head, _| head.with("Cookie", "a=b"));
        self.add("cookies-8000-lines", &head, Refused);
        for len in [17 << 10, 64 << 10, 1 << 20] {
            let head = self.head().with("X-Big", vec![b'x'; len]);
            self.add(format!("header-len={len}"), &head, Refused);
            let head = self.head().with(&"X".repeat(len), "1");
            self.add(format!("header-name-len={len}"), &head, Refused);
        }
        self.add("header-len=8000", &self.head().with("X-Big", vec![b'x'; 8000]), Opens);
        self.add(
            "headers=90",
            &(0..90).fold(self.head(), |h, n| h.with(&format!("X-{n}"), "1")),
            Opens,
        );
        let text = String::from_utf8_lossy(&self.head().octets()).into_owned();
        self.raw("empty-lines-1000", ("\r\n".repeat(1000) + &text).into_bytes(), Either);
    }
}
