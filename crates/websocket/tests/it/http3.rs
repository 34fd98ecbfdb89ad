//! WebSockets over HTTP/3 (RFC 9220) as a client, before a server that writes its frames by hand.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use omniwire_websocket::handshake::client::{Address, Options};
use omniwire_websocket::handshake::server;
use omniwire_websocket::{
    CloseCode, Config, Connector, Error, Http3, Http3Stream, HttpVersion, Message, Proxy, Role,
    Tls, WebSocket, frame, mask,
};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream, VarInt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::client::server_config;
use crate::exercise::{exercise, options, server_options};

const CONTROL: &[u8] = b"\x00";
/// SETTINGS with ENABLE_CONNECT_PROTOCOL.
const SETTINGS: &[u8] = b"\x04\x02\x08\x01";
/// HEADERS with `:status 200`.
const OK: &[u8] = b"\x01\x03\x00\x00\xd9";

struct Server {
    endpoint: Endpoint,
    address: Address,
    tls: Tls,
}

impl Server {
    fn new() -> Self {
        let (config, certificate) = server_config("localhost", &[b"h3"]);
        let crypto = QuicServerConfig::try_from(config).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let endpoint = Endpoint::server(config, any).unwrap();
        let port = endpoint.local_addr().unwrap().port();
        let address = Address::parse(&format!("wss://localhost:{port}/a?b=c")).unwrap();
        Self { endpoint, address, tls: Tls::with_roots([certificate]).unwrap() }
    }

    /// A connection, with what the server says on its control stream.
    async fn connect(&self, control: &[u8]) -> (Http3, Connection, SendStream) {
        let accepting = async {
            let quic = self.endpoint.accept().await.unwrap().await.unwrap();
            let mut stream = quic.open_uni().await.unwrap();
            stream.write_all(control).await.unwrap();
            (quic, stream)
        };
        let config = Config::default();
        let connecting = Http3::connect(&self.address, &self.tls, &config);
        let (http3, (quic, control)) = tokio::join!(connecting, accepting);
        (http3.unwrap(), quic, control)
    }
}

/// A WebSocket, and its stream as the server has it, behind the request.
struct Pair {
    socket: WebSocket<Http3Stream>,
    sending: SendStream,
    receiving: RecvStream,
    quic: Connection,
    _control: SendStream,
    _server: Server,
}

async fn pair() -> Pair {
    let server = Server::new();
    let (http3, quic, control) = server.connect(&[CONTROL, SETTINGS].concat()).await;
    let accepting = async {
        let (mut sending, mut receiving) = quic.accept_bi().await.unwrap();
        read_head(&mut receiving).await;
        sending.write_all(OK).await.unwrap();
        (sending, receiving)
    };
    let opening = http3.open(&server.address, Options::default(), Config::default());
    let (socket, (sending, receiving)) = tokio::join!(opening, accepting);
    let socket = socket.unwrap();
    Pair { socket, sending, receiving, quic, _control: control, _server: server }
}

/// The payload of a HEADERS frame.
async fn read_head(receiving: &mut RecvStream) -> Vec<u8> {
    assert_eq!(receiving.read_u8().await.unwrap(), 0x01);
    let len = read_integer(receiving).await.unwrap();
    let mut section = vec![0; len];
    receiving.read_exact(&mut section).await.unwrap();
    section
}

/// `None`: the stream has ended.
async fn read_integer(receiving: &mut RecvStream) -> Option<usize> {
    let first = receiving.read_u8().await.ok()?;
    let mut value = usize::from(first & 0x3f);
    for _ in 1..(1 << (first >> 6)) {
        value = value << 8 | usize::from(receiving.read_u8().await.unwrap());
    }
    Some(value)
}

fn data(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    [&[0x00], &(len | 0x8000_0000).to_be_bytes()[..], payload].concat()
}

/// The server's error code with which the connection was closed.
async fn close_code(quic: &Connection) -> VarInt {
    match quic.closed().await {
        ConnectionError::ApplicationClosed(close) => close.error_code,
        other => panic!("{other}"),
    }
}

/// Moves octets between DATA frames and a stream of octets.
async fn tunnel(mut sending: SendStream, mut receiving: RecvStream, io: DuplexStream) {
    let (mut from, mut to) = tokio::io::split(io);
    tokio::spawn(async move {
        while let Some(kind) = read_integer(&mut receiving).await {
            assert_eq!(kind, 0x00, "a client sends nothing but DATA");
            let mut data = vec![0; read_integer(&mut receiving).await.unwrap()];
            receiving.read_exact(&mut data).await.unwrap();
            to.write_all(&data).await.unwrap();
        }
    });
    let mut buf = vec![0; 10_000];
    loop {
        match from.read(&mut buf).await.unwrap() {
            0 => break,
            // Two frames, cut anywhere.
            len => {
                let (one, other) = buf[..len].split_at(len / 3);
                sending.write_all(&[data(one), data(other)].concat()).await.unwrap();
            }
        }
    }
    sending.finish().unwrap();
}

/// A field line with literals shorter than 127 octets.
fn line(name: &str, value: &str) -> Vec<u8> {
    let mut line = match name.len() {
        len @ ..7 => vec![0x20 | len as u8],
        len => vec![0x27, (len - 7) as u8],
    };
    line.extend_from_slice(name.as_bytes());
    line.push(value.len() as u8);
    line.extend_from_slice(value.as_bytes());
    line
}

#[tokio::test]
async fn rfc9220_3_the_same_websocket() {
    let server = Server::new();
    let connector = Connector {
        http: HttpVersion::Http3,
        options: options(),
        tls: Some(server.tls.clone()),
        ..Connector::default()
    };
    let url = format!("wss://localhost:{}/a?b=c", server.address.port);
    let serving = async {
        let quic = server.endpoint.accept().await.unwrap().await.unwrap();
        let mut control = quic.open_uni().await.unwrap();
        control.write_all(&[CONTROL, SETTINGS].concat()).await.unwrap();
        let (mut sending, mut receiving) = quic.accept_bi().await.unwrap();
        let section = read_head(&mut receiving).await;
        let expected = [
            &b"\x00\x00"[..],
            &line(":method", "CONNECT"),
            &line(":protocol", "websocket"),
            &line(":scheme", "https"),
            &line(":authority", &format!("localhost:{}", server.address.port)),
            &line(":path", "/a?b=c"),
            &line("sec-websocket-version", "13"),
            &line("sec-websocket-protocol", "news, chat"),
        ]
        .concat();
        assert!(section.starts_with(&expected), "{}", section.escape_ascii());
        // The same request, as a server's HTTP library gives it.
        let offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                     client_max_window_bits";
        let mut request = http::Request::new(());
        *request.method_mut() = http::Method::CONNECT;
        *request.version_mut() = http::Version::HTTP_3;
        for (name, value) in [
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "news, chat"),
            ("sec-websocket-extensions", offer),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let asked =
            server::Request { protocol: Some("websocket"), ..server::Request::new(&request) };
        let accepted = server::accept(&asked, &server_options()).unwrap();
        let mut section = b"\x00\x00\xd9".to_vec();
        for (name, value) in &accepted.headers {
            section.extend(line(name.as_str(), value.to_str().unwrap()));
        }
        let len = 0x4000 | u16::try_from(section.len()).unwrap();
        let head = [&[0x01], &len.to_be_bytes()[..], &section].concat();
        sending.write_all(&head).await.unwrap();
        let (ours, theirs) = duplex(1 << 16);
        let config = Config { deflate: accepted.deflate, ..Config::default() };
        tokio::spawn(tunnel(sending, receiving, theirs));
        let mut socket = WebSocket::from_parts(ours, Role::Server, config, &b""[..]).unwrap();
        while let Some(Ok(message)) = socket.recv().await {
            if message.is_data() {
                socket.queue(message);
            }
        }
        drop(socket);
        // When the WebSocket is gone, so is the connection.
        assert_eq!(close_code(&quic).await, VarInt::from_u32(0x100));
        drop(control);
    };
    let client = async {
        let mut socket = connector.connect(&url).await.unwrap();
        exercise(&mut socket).await;
    };
    tokio::join!(client, serving);
}

#[tokio::test]
async fn rfc9220_3_client_asks_only_where_the_settings_allow_it() {
    for settings in [&b"\x04\x00"[..], b"\x04\x02\x08\x00"] {
        let server = Server::new();
        let (http3, _quic, _control) = server.connect(&[CONTROL, settings].concat()).await;
        let result = http3.open(&server.address, Options::default(), Config::default()).await;
        assert!(matches!(&result, Err(Error::Http(why)) if why.contains("no WebSockets")));
    }
}

#[tokio::test]
async fn rfc9114_8_1_what_breaks_the_connection() {
    // A bad value of the setting (G1), DATA before any SETTINGS, a push, an end of the control
    // stream.
    for (said, ends, code) in [
        (&b"\x00\x04\x02\x08\x02"[..], false, 0x109),
        (b"\x00\x00\x00", false, 0x10a),
        (b"\x01\x00", false, 0x108),
        (b"\x00\x04\x00", true, 0x104),
        (b"\x02", true, 0x104),
    ] {
        let server = Server::new();
        let (_http3, quic, mut control) = server.connect(said).await;
        if ends {
            control.finish().unwrap();
        }
        assert_eq!(close_code(&quic).await, VarInt::from_u32(code), "{said:x?}");
    }
}

#[tokio::test]
async fn rfc9114_5_2_nothing_is_asked_after_goaway() {
    let server = Server::new();
    let said = [CONTROL, SETTINGS, b"\x07\x01\x00"].concat();
    let (http3, _quic, _control) = server.connect(&said).await;
    let result = http3.open(&server.address, Options::default(), Config::default()).await;
    assert!(matches!(&result, Err(Error::Http(why)) if why.contains("no more")), "{result:?}");
}

#[tokio::test]
async fn rfc9220_3_other_statuses_are_http() {
    let server = Server::new();
    let (http3, quic, _control) = server.connect(&[CONTROL, SETTINGS].concat()).await;
    let answering = async {
        let (mut sending, mut receiving) = quic.accept_bi().await.unwrap();
        read_head(&mut receiving).await;
        sending.write_all(b"\x01\x03\x00\x00\xdb").await.unwrap();
        // RFC 9114 section 4.1.1: the request is given up.
        assert_eq!(receiving.received_reset().await.unwrap(), Some(VarInt::from_u32(0x10c)));
    };
    let opening = async {
        http3.open(&server.address, Options::default(), Config::default()).await.map(drop)
    };
    let (result, ()) = tokio::join!(opening, answering);
    let Err(Error::Answer { answer, .. }) = result else { panic!("{result:?}") };
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn rfc9114_4_1_2_a_malformed_answer_is_refused() {
    // G2: without a status.
    let server = Server::new();
    let (http3, quic, _control) = server.connect(&[CONTROL, SETTINGS].concat()).await;
    let answering = async {
        let (mut sending, mut receiving) = quic.accept_bi().await.unwrap();
        read_head(&mut receiving).await;
        sending.write_all(b"\x01\x02\x00\x00").await.unwrap();
        assert_eq!(receiving.received_reset().await.unwrap(), Some(VarInt::from_u32(0x10e)));
    };
    let opening = async {
        http3.open(&server.address, Options::default(), Config::default()).await.map(drop)
    };
    let (result, ()) = tokio::join!(opening, answering);
    assert!(matches!(&result, Err(Error::Io(error)) if error.kind() == ErrorKind::InvalidData));
}

#[tokio::test]
async fn rfc9114_4_4_other_frames_behind_the_answer_break_the_connection() {
    // G5.
    let mut pair = pair().await;
    pair.sending.write_all(&[b"\x21\x01?", OK].concat()).await.unwrap();
    assert!(matches!(pair.socket.recv().await, Some(Err(Error::Io(_)))));
    assert_eq!(close_code(&pair.quic).await, VarInt::from_u32(0x105));
}

#[tokio::test]
async fn rfc9220_3_a_reset_is_the_loss_of_the_connection() {
    // G4.
    let mut pair = pair().await;
    pair.sending.reset(VarInt::from_u32(0x10c)).unwrap();
    let error = pair.socket.recv().await.unwrap().unwrap_err();
    assert_eq!(error.close_code(), CloseCode::Abnormal);
    assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset));
    assert!(pair.socket.recv().await.is_none());
}

#[tokio::test]
async fn rfc9220_3_a_websocket_that_is_dropped_is_reset() {
    // G4.
    let mut pair = pair().await;
    drop(pair.socket);
    let code = Some(VarInt::from_u32(0x10c));
    assert_eq!(pair.receiving.received_reset().await.unwrap(), code);
    assert_eq!(pair.sending.stopped().await.unwrap(), code);
}

#[tokio::test]
async fn rfc9220_3_fin_is_the_orderly_end() {
    // G4.
    let mut pair = pair().await;
    let (socket, sending, receiving) = (&mut pair.socket, &mut pair.sending, &mut pair.receiving);
    let server = async {
        assert_eq!(read_integer(receiving).await, Some(0x00));
        let mut close = vec![0; read_integer(receiving).await.unwrap()];
        receiving.read_exact(&mut close).await.unwrap();
        let key = close[2..6].try_into().unwrap();
        mask::apply(&mut close[6..], key, 0);
        assert_eq!((&close[..2], &close[6..]), (&b"\x88\x82"[..], &b"\x03\xe8"[..]));
        sending.write_all(&data(b"\x88\x02\x03\xe8")).await.unwrap();
        sending.finish().unwrap();
        assert_eq!(read_integer(receiving).await, None);
        assert_eq!(receiving.received_reset().await.unwrap(), None, "FIN has come");
    };
    let (closed, ()) = tokio::join!(socket.close(CloseCode::Normal, ""), server);
    closed.unwrap();
}

#[tokio::test]
async fn rfc9114_7_1_a_data_frame_that_fin_cuts_off_breaks_the_connection() {
    let mut pair = pair().await;
    pair.sending.write_all(b"\x00\x08\x81\x05hel").await.unwrap();
    pair.sending.finish().unwrap();
    assert!(matches!(pair.socket.recv().await, Some(Err(Error::Io(_)))));
    assert_eq!(close_code(&pair.quic).await, VarInt::from_u32(0x106));
}

#[tokio::test]
async fn rfc9114_7_2_1_frames_cut_anywhere_by_data_frames() {
    // G6: octet by octet, with unknown frames between.
    let mut pair = pair().await;
    let mut octets = Vec::new();
    for octet in b"\x81\x05hello\x82\x01!" {
        octets.extend(data(&[*octet]));
        octets.extend_from_slice(b"\x21\x03???");
    }
    pair.sending.write_all(&octets).await.unwrap();
    assert_eq!(pair.socket.recv().await.unwrap().unwrap(), Message::text("hello"));
    assert_eq!(pair.socket.recv().await.unwrap().unwrap(), Message::binary(&b"!"[..]));
}

#[tokio::test]
async fn rfc9000_4_1_a_full_window_makes_the_writer_wait_and_loses_nothing() {
    let mut pair = pair().await;
    let payload = vec![b'x'; 3 << 20];
    pair.socket.queue(Message::binary(payload.clone()));
    // The Sink's way of waiting, while the server reads nothing: some of it is under way.
    let flushing = tokio::time::timeout(std::time::Duration::from_millis(50), pair.socket.flush());
    assert!(flushing.await.is_err());
    let reading = async {
        let mut octets = Vec::new();
        while octets.len() < frame::MAX_MASKED_HEADER_LEN + payload.len() {
            assert_eq!(read_integer(&mut pair.receiving).await, Some(0x00));
            let mut data = vec![0; read_integer(&mut pair.receiving).await.unwrap()];
            pair.receiving.read_exact(&mut data).await.unwrap();
            octets.extend_from_slice(&data);
        }
        octets
    };
    let (flushed, mut octets) = tokio::join!(pair.socket.flush(), reading);
    flushed.unwrap();
    let key = octets[10..14].try_into().unwrap();
    mask::apply(&mut octets[14..], key, 0);
    assert!(octets[14..] == payload);
}

#[tokio::test]
async fn http3_is_secure_and_goes_through_no_proxy() {
    let connector = Connector { http: HttpVersion::Http3, ..Connector::default() };
    let result = connector.connect("ws://127.0.0.1:9/").await;
    assert!(matches!(result, Err(Error::Http(_))));
    let proxy = Some(Proxy::http("127.0.0.1", 9));
    let result = Connector { proxy, ..connector }.connect("wss://127.0.0.1:9/").await;
    assert!(matches!(result, Err(Error::Proxy(_))));
}
