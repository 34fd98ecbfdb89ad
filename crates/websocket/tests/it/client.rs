//! The client on its way to the server: TLS, proxies, and one at a time.

use std::sync::Arc;

use http::header::LOCATION;
use omniwire_websocket::handshake::client::{Options, RequestError};
use omniwire_websocket::{Config, Connector, Error, Message, Proxy, Tls, accept, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(crate) async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Echoes one message.
async fn echo<S>(io: S) -> Result<(), Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut socket = accept(io).await?;
    let message = socket.recv().await.unwrap()?;
    socket.send(message).await
}

async fn check_echo(connector: &Connector, url: &str) {
    let mut socket = connector.connect(url).await.unwrap();
    socket.send("hello").await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("hello"));
}

/// A server for TLS which agrees on these protocols, and the certificate that vouches for it.
pub(crate) fn acceptor(name: &str, protocols: &[&[u8]]) -> (TlsAcceptor, CertificateDer<'static>) {
    let (config, certificate) = server_config(name, protocols);
    (TlsAcceptor::from(Arc::new(config)), certificate)
}

pub(crate) fn server_config(
    name: &str,
    protocols: &[&[u8]],
) -> (ServerConfig, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    (config, certificate)
}

#[tokio::test]
async fn rfc6455_4_1_wss_sends_the_name_and_checks_the_certificate() {
    // B10.
    let (listener, port) = listener().await;
    let (acceptor, certificate) = acceptor("localhost", &[]);
    let server = tokio::spawn(async move {
        let mut names = Vec::new();
        for _ in 0..3 {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(tls) = acceptor.accept(tcp).await else { continue };
            names.push(tls.get_ref().1.server_name().map(str::to_owned));
            let _ = echo(tls).await;
        }
        names
    });
    let trusting =
        Connector { tls: Some(Tls::with_roots([certificate]).unwrap()), ..Connector::default() };
    check_echo(&trusting, &format!("wss://localhost:{port}/")).await;
    // The certificate is good, and not for this name.
    let wrong = trusting.connect(&format!("wss://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(&wrong, Error::Io(error) if error.to_string().contains("certificate")));
    // The name is good, and nobody vouches for the certificate.
    let (_, other) = self::acceptor("localhost", &[]);
    let wary = Connector { tls: Some(Tls::with_roots([other]).unwrap()), ..Connector::default() };
    let unknown = wary.connect(&format!("wss://localhost:{port}/")).await.unwrap_err();
    assert!(matches!(&unknown, Error::Io(error) if error.to_string().contains("certificate")));
    assert_eq!(server.await.unwrap(), [Some("localhost".to_owned())]);
}

#[tokio::test]
async fn rfc6455_4_1_answers_that_are_no_websocket_are_told_and_not_followed() {
    // B3, H6.
    for (status, location) in
        [("200 OK", None), ("302 Found", Some("/there")), ("401 Unauthorized", None)]
    {
        let (listener, port) = listener().await;
        let server = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                tcp.read_buf(&mut head).await.unwrap();
            }
            let location = location.map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
            let answer = format!("HTTP/1.1 {status}\r\n{location}Content-Length: 0\r\n\r\n");
            tcp.write_all(answer.as_bytes()).await.unwrap();
            // No further request comes.
            assert_eq!(tcp.read(&mut [0]).await.unwrap_or(0), 0);
        };
        let url = format!("ws://127.0.0.1:{port}/");
        let (result, ()) = tokio::join!(async { connect(&url).await.map(drop) }, server);
        let Err(Error::Answer { error, answer }) = result else { panic!("{result:?}") };
        assert!(status.starts_with(error.status.as_str()));
        let told = answer.headers().get(LOCATION).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(told.as_deref(), location);
    }
}

#[tokio::test]
async fn line_breaks_and_nul_get_into_no_request() {
    for bad in ["\r", "\n", "\0", "\r\nX-Evil: 1"] {
        let url = format!("ws://127.0.0.1:9/a{bad}b");
        assert!(matches!(connect(&url).await, Err(Error::Request(RequestError::Url(_)))));
        assert!(http::HeaderValue::from_str(&format!("a{bad}b")).is_err());
        let options = Options { subprotocols: vec![format!("a{bad}b")], ..Options::default() };
        let connector = Connector { options, ..Connector::default() };
        let refused = connector.connect("ws://127.0.0.1:9/").await;
        assert!(matches!(refused, Err(Error::Request(RequestError::Subprotocol(_)))));
    }
}

#[tokio::test]
async fn rfc6455_4_1_one_connection_per_address_is_connecting() {
    // B9: the second dials only when the first is through its handshake.
    let (listener, port) = listener().await;
    let url = format!("ws://127.0.0.1:{port}/");
    let clients = [0, 1].map(|_| {
        let url = url.clone();
        tokio::spawn(async move { connect(&url).await.map(drop) })
    });
    for client in 0..2 {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut octet = [0];
        tcp.read_exact(&mut octet).await.unwrap();
        // The first one's request is here, unanswered. Everybody who could dial has the time to.
        let early = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept());
        assert!(early.await.is_err(), "{client}");
        let mut head = octet.to_vec();
        while !head.ends_with(b"\r\n\r\n") {
            tcp.read_buf(&mut head).await.unwrap();
        }
        tcp.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await.unwrap();
    }
    for client in clients {
        assert!(matches!(client.await.unwrap(), Err(Error::Answer { .. })));
    }
}

#[tokio::test]
async fn connecting_ends_at_the_time_limit() {
    // The server takes TCP and says nothing.
    let (listener, port) = listener().await;
    let config =
        Config { handshake_timeout: std::time::Duration::from_millis(50), ..Config::default() };
    let connector = Connector { config, ..Connector::default() };
    let url = format!("ws://127.0.0.1:{port}/");
    let (result, _tcp) = tokio::join!(connector.connect(&url), listener.accept());
    assert!(matches!(result, Err(Error::TimedOut)));
}

/// Reads up to the empty line.
async fn read_head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn rfc9110_9_3_6_http_proxy_makes_a_tunnel() {
    let (listener, port) = listener().await;
    let proxy = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let head = read_head(&mut tcp).await;
        assert!(head.starts_with("CONNECT example.com:80 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("host: example.com:80\r\n"), "{head}");
        assert!(head.contains("proxy-authorization: Basic bWU6c2VjcmV0\r\n"), "{head}");
        tcp.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        echo(tcp).await.unwrap();
    };
    let way = Proxy::http("127.0.0.1", port).credentials("me", "secret");
    assert!(!format!("{way:?}").contains("secret"));
    let connector = Connector { proxy: Some(way), ..Connector::default() };
    tokio::join!(check_echo(&connector, "ws://example.com/"), proxy);
}

#[tokio::test]
async fn proxies_that_refuse_are_told() {
    for (answer, expected) in [
        (&b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..], "refuses"),
        (b"HTTP/1.1 200 OK\r\n\r\n\x81\x00", "nobody asked for"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP/1.1"),
    ] {
        let (listener, port) = listener().await;
        let proxy = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            read_head(&mut tcp).await;
            tcp.write_all(answer).await.unwrap();
            tcp
        };
        let proxied = Some(Proxy::http("127.0.0.1", port));
        let connector = Connector { proxy: proxied, ..Connector::default() };
        let (result, _tcp) = tokio::join!(connector.connect("ws://refused.example/"), proxy);
        let Err(Error::Proxy(why)) = result else { panic!("{result:?}") };
        assert!(why.contains(expected), "{why}");
    }
}

#[tokio::test]
async fn rfc1928_socks5_proxy_relays() {
    // A name, both kinds of addresses; with and without a password (RFC 1929).
    for (host, wanted) in [
        ("example.com", &b"\x03\x0bexample.com"[..]),
        ("192.0.2.7", b"\x01\xc0\x00\x02\x07"),
        ("[::1]", b"\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
    ] {
        let (listener, port) = listener().await;
        let proxy = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut greeting = [0; 3];
            tcp.read_exact(&mut greeting).await.unwrap();
            tcp.write_all(&[5, greeting[2]]).await.unwrap();
            if greeting == [5, 1, 2] {
                let mut password = [0; 11];
                tcp.read_exact(&mut password).await.unwrap();
                assert_eq!(password, *b"\x01\x02me\x06secret");
                tcp.write_all(&[1, 0]).await.unwrap();
            }
            let mut request = vec![0; 3 + wanted.len() + 2];
            tcp.read_exact(&mut request).await.unwrap();
            assert_eq!(request, [&[5, 1, 0], wanted, &[0, 80]].concat());
            tcp.write_all(b"\x05\x00\x00\x01\0\0\0\0\0\0").await.unwrap();
            echo(tcp).await.unwrap();
        };
        let mut way = Proxy::socks5("127.0.0.1", port);
        if host == "example.com" {
            way = way.credentials("me", "secret");
        }
        let connector = Connector { proxy: Some(way), ..Connector::default() };
        let url = format!("ws://{host}/");
        tokio::join!(check_echo(&connector, &url), proxy);
    }
}

#[tokio::test]
async fn rfc1928_6_socks5_refusals_are_told() {
    for (answers, expected) in [
        (&[&[5u8, 0xff][..]][..], "who we are"),
        (&[&[5, 0], &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]], "refuses"),
        (&[&[5, 0], &[4, 0, 0, 1, 0, 0, 0, 0, 0, 0]], "does not speak"),
    ] {
        let (listener, port) = listener().await;
        let proxy = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            for answer in answers {
                tcp.read_u8().await.unwrap();
                tcp.write_all(answer).await.unwrap();
            }
            tcp
        };
        let proxied = Some(Proxy::socks5("127.0.0.1", port));
        let connector = Connector { proxy: proxied, ..Connector::default() };
        let (result, _tcp) = tokio::join!(connector.connect("ws://socks.example/"), proxy);
        let Err(Error::Proxy(why)) = result else { panic!("{result:?}") };
        assert!(why.contains(expected), "{why}");
    }
}
