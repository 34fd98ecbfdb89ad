//! WebSockets over HTTP/2 (RFC 8441) as a client.

use std::convert::Infallible;
use std::io::ErrorKind;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use omniwire_websocket::handshake::client::{Address, Options};
use omniwire_websocket::handshake::server;
use omniwire_websocket::{
    CloseCode, Config, Connector, Error, Http2, HttpVersion, Message, Role, Tls, WebSocket,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};

use crate::client::{acceptor, listener};
use crate::exercise::{exercise, options, server_options};

/// Echoes on every stream, as a server behind hyper does.
async fn serve<S>(io: S, takes_websockets: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http2::Builder::new(TokioExecutor::new());
    if takes_websockets {
        http.enable_connect_protocol();
    }
    // It ends with the client.
    let _ = http.serve_connection(TokioIo::new(io), service_fn(answer)).await;
}

async fn answer(
    mut request: http::Request<Incoming>,
) -> Result<http::Response<String>, Infallible> {
    if request.uri().path() == "/nowhere" {
        let refusal = server::Refusal::new(http::StatusCode::NOT_FOUND, "There is nothing here.");
        return Ok(refusal.response());
    }
    let protocol = request.extensions().get::<hyper::ext::Protocol>().cloned();
    let asked = server::Request {
        protocol: protocol.as_ref().map(hyper::ext::Protocol::as_str),
        ..server::Request::new(&request)
    };
    let accepted = match server::accept(&asked, &server_options()) {
        Ok(accepted) => accepted,
        Err(refusal) => return Ok(refusal.response()),
    };
    let config = Config { deflate: accepted.deflate.clone(), ..Config::default() };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let mut socket = WebSocket::from_parts(io, Role::Server, config, &b""[..]).unwrap();
        while let Some(Ok(message)) = socket.recv().await {
            if message.is_data() {
                socket.queue(message);
            }
        }
    });
    Ok(accepted.response())
}

#[tokio::test]
async fn rfc8441_5_the_same_websocket_in_cleartext() {
    let (listener, port) = listener().await;
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0, true).await });
    let connector =
        Connector { http: HttpVersion::Http2, options: options(), ..Connector::default() };
    let mut socket = connector.connect(&format!("ws://127.0.0.1:{port}/")).await.unwrap();
    assert!(socket.get_ref().tcp().is_none());
    exercise(&mut socket).await;
}

#[tokio::test]
async fn rfc8441_5_the_same_websocket_over_tls() {
    let (acceptor, certificate) = acceptor("localhost", &[b"h2"]);
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        let tls = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        serve(tls, true).await;
    });
    let tls = Some(Tls::with_roots([certificate]).unwrap());
    let connector =
        Connector { http: HttpVersion::Http2, options: options(), tls, ..Connector::default() };
    let mut socket = connector.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    exercise(&mut socket).await;
}

#[tokio::test]
async fn rfc9113_3_2_a_server_that_does_not_agree_on_http2_is_told() {
    let (acceptor, certificate) = acceptor("localhost", &[]);
    let (listener, port) = listener().await;
    tokio::spawn(async move { acceptor.accept(listener.accept().await.unwrap().0).await });
    let tls = Some(Tls::with_roots([certificate]).unwrap());
    let connector = Connector { http: HttpVersion::Http2, tls, ..Connector::default() };
    let result = connector.connect(&format!("wss://localhost:{port}/")).await;
    assert!(matches!(result, Err(Error::Http(_))), "{result:?}");
}

#[tokio::test]
async fn rfc8441_3_client_asks_only_where_the_settings_allow_it() {
    // F2.
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(serve(theirs, false));
    let result = Http2::over(ours).await;
    assert!(matches!(result, Err(Error::Http(why)) if why.contains("no WebSockets")));
}

#[tokio::test]
async fn rfc8441_5_other_statuses_are_http() {
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(serve(theirs, true));
    let http2 = Http2::over(ours).await.unwrap();
    let address = Address::parse("ws://example.com/nowhere").unwrap();
    let result = http2.open(&address, Options::default(), Config::default()).await;
    let Err(Error::Answer { answer, .. }) = result else { panic!("{result:?}") };
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn rfc9113_5_2_a_stream_that_nobody_reads_holds_no_other_up() {
    // F12: the second WebSocket's window is full, and the first goes on.
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(serve(theirs, true));
    let http2 = Http2::over(ours).await.unwrap();
    let address = Address::parse("ws://example.com/").unwrap();
    let open = || http2.open(&address, options(), Config::default());
    let (mut reading, mut stalled) = (open().await.unwrap(), open().await.unwrap());
    let noise: Vec<u8> = (0..600_000u32).map(|i| i.wrapping_mul(2_654_435_761) as u8).collect();
    stalled.queue(Message::binary(noise.clone()));
    stalled.flush().await.unwrap();
    exercise(&mut reading).await;
    assert!(stalled.recv().await.unwrap().unwrap().into_payload() == noise);
}

/// A client's WebSocket, and its stream as the server has it.
async fn raw() -> (
    WebSocket<omniwire_websocket::Http2Stream>,
    http::Request<h2::RecvStream>,
    h2::SendStream<Bytes>,
) {
    let (ours, theirs) = duplex(1 << 16);
    let accepting = async {
        let mut http = h2::server::Builder::new();
        http.enable_connect_protocol();
        let mut connection: h2::server::Connection<DuplexStream, Bytes> =
            http.handshake(theirs).await.unwrap();
        let (request, mut respond): (_, SendResponse<Bytes>) =
            connection.accept().await.unwrap().unwrap();
        tokio::spawn(async move { while connection.accept().await.is_some() {} });
        let sending = respond.send_response(http::Response::new(()), false).unwrap();
        (request, sending)
    };
    let opening = async {
        let http2 = Http2::over(ours).await.unwrap();
        let address = Address::parse("wss://example.com:8443/a?b=c").unwrap();
        http2.open(&address, options(), Config::default()).await.unwrap()
    };
    let (socket, (request, sending)) = tokio::join!(opening, accepting);
    (socket, request, sending)
}

#[tokio::test]
async fn rfc8441_5_request_has_all_that_it_must_and_nothing_of_http_1_1() {
    // F4, F5, F6.
    let (_socket, request, _sending) = raw().await;
    assert_eq!(request.method(), http::Method::CONNECT);
    assert_eq!(request.uri(), "https://example.com:8443/a?b=c");
    assert_eq!(request.extensions().get::<h2::ext::Protocol>().unwrap().as_str(), "websocket");
    let names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
    let expected = ["sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions"];
    assert_eq!(names, expected);
    assert_eq!(request.headers()["sec-websocket-version"], "13");
}

#[tokio::test]
async fn rfc8441_5_end_stream_is_the_orderly_end() {
    // F9: the server answers the Close and ends the stream, then we end ours.
    let (mut socket, request, mut sending) = raw().await;
    let mut receiving = request.into_body();
    let server = async {
        let mut octets = Vec::new();
        while octets.len() < 8 {
            let data = receiving.data().await.unwrap().unwrap();
            receiving.flow_control().release_capacity(data.len()).unwrap();
            octets.extend_from_slice(&data);
        }
        assert_eq!(octets[..2], [0x88, 0x82], "a masked Close");
        assert!(!receiving.is_end_stream());
        sending.send_data(Bytes::from_static(b"\x88\x02\x03\xe8"), true).unwrap();
        while let Some(data) = receiving.data().await {
            assert!(data.unwrap().is_empty());
        }
        assert!(receiving.is_end_stream());
    };
    let (closed, ()) = tokio::join!(socket.close(CloseCode::Normal, ""), server);
    closed.unwrap();
}

#[tokio::test]
async fn rfc8441_5_a_reset_is_the_loss_of_the_connection() {
    let (mut socket, _request, mut sending) = raw().await;
    sending.send_reset(Reason::CANCEL);
    let error = socket.recv().await.unwrap().unwrap_err();
    assert_eq!(error.close_code(), CloseCode::Abnormal);
    assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset));
    assert!(socket.recv().await.is_none());
}

#[tokio::test]
async fn rfc8441_5_a_websocket_that_is_dropped_is_reset() {
    let (socket, request, _sending) = raw().await;
    drop(socket);
    let error = request.into_body().data().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CANCEL));
}

#[tokio::test]
async fn rfc8441_5_frames_cut_anywhere_by_data_frames() {
    // F11: octet by octet, with empty DATA frames between.
    let (mut socket, _request, mut sending) = raw().await;
    for octet in b"\x81\x05hello\x82\x01!" {
        sending.send_data(Bytes::new(), false).unwrap();
        sending.send_data(Bytes::copy_from_slice(&[*octet]), false).unwrap();
    }
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("hello"));
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::binary(&b"!"[..]));
}
