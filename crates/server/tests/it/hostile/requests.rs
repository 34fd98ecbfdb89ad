//! Requests: heads that are too much, smuggled bodies, targets elsewhere, and time.

use super::{advisories, server};
use crate::harness::http;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

advisories! {
    // Heads that are too much.
    cve_2024_37890_more_headers_than_allowed => heads(&[many("X-", 2000), many("X-", 20_000)], 431);
    cve_2026_65624_the_same_name_2000_times => heads(&["X-Same: 1\r\n".repeat(2000)], 431);
    cve_2025_58186_thousands_of_cookies => heads(&[cookies(), "Cookie: a=b\r\n".repeat(8000)], 431);
    cve_2021_32640_blanks_in_a_subprotocol => heads(&[format!(
        "Sec-WebSocket-Protocol: a,{}b\r\n", " ".repeat(10_000)
    )], 101);
    npm_331_cookies_that_are_none => heads(&[
        "Cookie: ;;;=\r\n".into(), "Cookie: \"\r\n".into(), "Cookie: %zz=%\r\n".into(),
        "Cookie: a=\u{e9}\r\n".into(),
    ], 101);
    ghsa_5v72_xg48_5rpm_extensions_named_as_javascript_has_it => heads(&[
        "Sec-WebSocket-Extensions: constructor\r\n".into(),
        "Sec-WebSocket-Extensions: __proto__; toString=1\r\n".into(),
    ], 101);
    cve_2020_7662_a_quote_that_is_never_closed => heads(&[unclosed()], 400);
    cve_2020_7663_a_quote_that_is_never_closed => heads(&[unclosed()], 400);
    granian_a_subprotocol_that_is_no_ascii => heads(&[
        "Sec-WebSocket-Protocol: caf\u{e9}\r\n".into(), "Sec-WebSocket-Protocol: \u{e9}\r\n".into(),
    ], 400);
    cve_2026_34525_two_hosts => heads(&["Host: x\r\n".into()], 400);
    // Bodies: what is behind them is no request.
    ghsa_mfx4_hv73_q22v_an_upgrade_with_a_body => smuggled(&[
        "Content-Length: 37\r\n", "Transfer-Encoding: chunked\r\n",
    ], "HTTP/1.1");
    ghsa_xhj4_vrgc_hr34_two_lengths => smuggled(&[
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ], "HTTP/1.1");
    rustsec_2026_0034_chunks_in_http_1_0 => smuggled(&["Transfer-Encoding: chunked\r\n"], "HTTP/1.0");
    rustsec_2021_0078_a_length_with_a_sign => smuggled(&[
        "Content-Length: +4\r\n", "Content-Length: 4, 4\r\n", "Content-Length: 0x4\r\n",
    ], "HTTP/1.1");
    rustsec_2021_0079_a_chunk_beyond_64_bits => smuggled_chunk("fffffffffffffffff\r\n");
    cve_2026_7790_a_chunk_size_without_end => smuggled_chunk(&"f".repeat(100_000));
    rustsec_2021_0020_transfer_encodings_without_end => smuggled(&[
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: xchunked\r\n",
    ], "HTTP/1.1");
    rustsec_2020_0008_a_get_with_a_body => smuggled(&["Content-Length: 37\r\n"], "HTTP/1.1");
    rustsec_2026_0033_what_is_behind_a_refused_upgrade => refused_upgrade();
    // Targets, and pages elsewhere.
    ghsa_c4j6_fc7j_m34r_targets_elsewhere => targets();
    pysec_2020_25_a_target_with_a_line_break => line_break();
    cve_2026_44514_pages_elsewhere => foreign();
    uwebsockets_1497_lax_syntax => lax();
}

fn many(name: &str, count: usize) -> String {
    (0..count).map(|number| format!("{name}{number}: 1\r\n")).collect()
}

fn cookies() -> String {
    format!("Cookie: {}\r\n", "a=b; ".repeat(8000))
}

fn unclosed() -> String {
    format!("Sec-WebSocket-Extensions: a; b=\"{}\r\n", "\\c".repeat(4000))
}

/// What comes until TCP ends, or for as long as it may take to answer once more.
async fn answers(address: SocketAddr, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut all = Vec::new();
    let read = async {
        while reading.read_buf(&mut all).await.is_ok_and(|len| len > 0) {
            // Of two answers the second is on its way with the first.
            if all.starts_with(b"HTTP/1.1 101") {
                break;
            }
        }
    };
    let write = async {
        // A server that has refused reads no more.
        writing.write_all(octets).await.ok();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        read = timeout(Duration::from_secs(20), read) => read.expect("the end of TCP"),
        () = write => unreachable!("it waits for ever"),
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// A handshake with more lines, each of which gets this answer.
async fn heads(list: &[String], wanted: u16) {
    let (omniwire, address) = server().await;
    for more in list {
        let head = format!("GET /ws/open HTTP/1.1\r\nHost: x\r\n{UPGRADE}{more}\r\n");
        // U+00E9 stands for the octet E9, which is no UTF-8.
        let octets: Vec<u8> = head.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let answer = first_answer(address, &octets).await;
        assert_eq!(status(&answer), wanted, "{more:.60}: {answer}");
    }
    assert_eq!(omniwire.stats().panics, 0);
}

/// The head of the first answer.
async fn first_answer(address: SocketAddr, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut head = Vec::new();
    let read = async {
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            if reading.read_buf(&mut head).await.is_ok_and(|len| len == 0) {
                break;
            }
        }
    };
    let write = async {
        writing.write_all(octets).await.ok();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        read = timeout(Duration::from_secs(20), read) => read.expect("an answer in time"),
        () = write => unreachable!("it waits for ever"),
    }
    String::from_utf8_lossy(&head).into_owned()
}

const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// A handshake whose body is a request: it is refused, and the request in it gets no answer.
async fn smuggled(fields: &[&str], version: &str) {
    let (omniwire, address) = server().await;
    for fields in fields {
        for body in [INNER.to_owned(), format!("0\r\n\r\n{INNER}")] {
            let head = format!("GET /ws/open {version}\r\nHost: x\r\n{UPGRADE}{fields}\r\n{body}");
            let answer = answers(address, head.as_bytes()).await;
            assert!((400..502).contains(&status(&answer)), "{fields}: {answer}");
            assert_eq!(answer.matches("HTTP/1.").count(), 1, "{fields}: {answer}");
        }
    }
    assert_eq!(omniwire.stats().sessions, 0);
}

/// A body whose first chunk has this size.
async fn smuggled_chunk(size: &str) {
    let (_omniwire, address) = server().await;
    let head = "POST /send/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = answers(address, format!("{head}{size}").as_bytes()).await;
    assert!((400..500).contains(&status(&answer)), "{answer}");
    assert_eq!(answer.matches("HTTP/1.").count(), 1, "{answer}");
}

async fn refused_upgrade() {
    let (_omniwire, address) = server().await;
    let bad = UPGRADE.replace(": 13", ": 8");
    let head = format!("GET /ws/open HTTP/1.1\r\nHost: x\r\n{bad}\r\n{INNER}");
    let answer = answers(address, head.as_bytes()).await;
    assert_eq!((status(&answer), answer.matches("HTTP/1.").count()), (426, 1), "{answer}");
}

async fn targets() {
    let (_omniwire, address) = server().await;
    for (target, wanted) in [
        ("http://evil.example/ws/open", 421),
        ("//evil.example/ws/open", 404),
        ("http://user@evil.example/ws/open", 400),
        ("/../ws/open", 404),
        ("\\ws\\open", 400),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n");
        let answer = first_answer(address, head.as_bytes()).await;
        let status = status(&answer);
        let refused = status == wanted || (400..500).contains(&status) && wanted != 421;
        assert!(refused, "{target}: {answer}");
    }
}

async fn line_break() {
    let (_omniwire, address) = server().await;
    for path in ["/nowhere", "/ws/open", "/signalr/open/negotiate", "/sockjs/open/", "/send/open"] {
        let request = format!("GET {path}%0d%0aX-Injected:%20y?a=%0d%0aX-Injected:%20y HTTP/1.0");
        let answer = http(address, &format!("{request}\nHost: x\n\n")).await.to_lowercase();
        assert!(!answer.contains("x-injected"), "{answer}");
    }
}

/// With no configuration at all.
async fn foreign() {
    let (_omniwire, address) = server().await;
    for origin in ["http://evil.example", "https://x.evil.example", "null", "file://"] {
        let head = format!("GET /ws/open HTTP/1.1\r\nHost: x\r\n{UPGRADE}Origin: {origin}\r\n\r\n");
        assert_eq!(status(&first_answer(address, head.as_bytes()).await), 403, "{origin}");
    }
}

async fn lax() {
    let (_omniwire, address) = server().await;
    let heads = [
        format!("GET /ws/open HTTP/1.1\r\nHost: x\r\n{UPGRADE}X Y: 1\r\n\r\n"),
        format!("GET /ws/open HTTP/1.1\r\nHost: x\r\n{UPGRADE}X-Space : 1\r\n\r\n"),
        format!("GET /ws/open HTTP/1.1\r\nHost: x\r\n{UPGRADE}X-Fold: a\r\n b\r\n\r\n"),
        format!("GET /ws/open HTTP/1.1\r\nHost: x\r\n{UPGRADE}no colon\r\n\r\n"),
        format!("GET  /ws/open  HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n"),
        format!("GET /ws/open HTTP/1.1\r\n{UPGRADE}\r\n"),
    ];
    for head in heads {
        let answer = first_answer(address, head.as_bytes()).await;
        assert_eq!(status(&answer), 400, "{head:?}: {answer}");
    }
}

/// A head that comes in pieces is read once, and no further than it may be long.
#[tokio::test]
async fn rustsec_2023_0065_a_long_head_in_pieces() {
    let (_omniwire, address) = server().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(b"GET /ws/open HTTP/1.1\r\nHost: x\r\nX-Long: ").await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let write = async {
        // Far more than a head may have; a server that has refused reads no more.
        for _ in 0..100_000 {
            if writing.write_all(&[b'x'; 64]).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = [0; 12];
    tokio::select! {
        read = timeout(Duration::from_secs(20), reading.read_exact(&mut answer)) => {
            read.expect("an answer in time").unwrap();
        }
        () = write => unreachable!("it waits for ever"),
    }
    assert_eq!(&answer, b"HTTP/1.1 431");
}

/// Small chunks cost what they hold, and the body has its limit.
#[tokio::test]
async fn cve_2025_69229_very_many_small_chunks() {
    let (_omniwire, address) = server().await;
    let head = "POST /send/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = "1\r\n \r\n".repeat(100_000);
    let octets = format!("{head}1\r\n[\r\n{chunks}1\r\n]\r\n0\r\n\r\n");
    let begun = std::time::Instant::now();
    let answer = first_answer(address, octets.as_bytes()).await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

/// The timer runs from accept, also while it is open which version of HTTP is spoken.
#[tokio::test(start_paused = true)]
async fn cve_2026_56853_slow_octets_of_a_preface() {
    let (_omniwire, address) = server().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let begun = tokio::time::Instant::now();
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r".iter().cycle();
    let (mut reading, mut writing) = stream.split();
    let write = async {
        for _ in 0..22 {
            let octet = *preface.next().unwrap();
            if writing.write_all(&[octet]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut rest = Vec::new();
    tokio::select! {
        _ = reading.read_to_end(&mut rest) => {}
        () = write => unreachable!("it waits for ever"),
    }
    assert!((9..=12).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

/// A server that speaks TLS, with a certificate of its own.
async fn tls_server() -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = |kind: &str, der: &[u8]| {
        let text = STANDARD.encode(der);
        format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
    };
    let file = |name: &str| std::env::temp_dir().join(format!("{}-{name}.pem", std::process::id()));
    let (certificate, key) = (file("hostile-certificate"), file("hostile-key"));
    std::fs::write(&certificate, pem("CERTIFICATE", made.cert.der())).unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).unwrap();
    let tls = omniwire::Tls::from_pem_files(&certificate, &key).unwrap();
    std::fs::remove_file(certificate).and(std::fs::remove_file(key)).unwrap();
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let omniwire = omniwire::Omniwire::builder().build().unwrap();
    let listener = omniwire::Listener::from(tcp).tls(&tls);
    tokio::spawn(async move {
        let never = std::future::pending();
        omniwire::serve(listener, omniwire.router(), &omniwire, never).await.unwrap();
    });
    address
}

/// A ClientHello that says it has 16 MiB, octet by octet: the timer runs from accept.
#[tokio::test(start_paused = true)]
async fn cve_2026_45416_a_tls_handshake_that_never_ends() {
    let address = tls_server().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let begun = tokio::time::Instant::now();
    stream.write_all(&[0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let write = async {
        while writing.write_all(&[0]).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut rest = Vec::new();
    tokio::select! {
        _ = reading.read_to_end(&mut rest) => {}
        () = write => unreachable!("it waits for ever"),
    }
    assert!(begun.elapsed().as_secs() <= 12, "{:?}", begun.elapsed());
}
