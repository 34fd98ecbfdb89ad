//! The client as pages know it, by the rows H1 to H7 of the protocol notes.

use omniwire_websocket::browser::{
    BUFFERED_LEN_MAX, CloseError, Closed, Event, ReadyState, SendError, WebSocket,
};
use omniwire_websocket::handshake::client::{Options, RequestError};
use omniwire_websocket::handshake::server;
use omniwire_websocket::{CloseFrame, Config, Connector, Message, accept_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Served = omniwire_websocket::WebSocket<TcpStream>;

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    (listener, url)
}

async fn serve(listener: &TcpListener, subprotocols: &[&str]) -> Served {
    let subprotocols = subprotocols.iter().map(|&name| name.to_owned()).collect();
    let options = server::Options { subprotocols, deflate: None };
    let (tcp, _) = listener.accept().await.unwrap();
    accept_with(tcp, Config::default(), |_| Ok(options)).await.unwrap()
}

async fn pair() -> (WebSocket, Served) {
    let (listener, url) = listener().await;
    let mut client = WebSocket::new(&url, &[]).unwrap();
    let server = serve(&listener, &[]).await;
    assert_eq!(client.event().await, Some(Event::Open));
    (client, server)
}

async fn rest(client: &mut WebSocket) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = client.event().await {
        events.push(event);
    }
    events
}

fn failed() -> [Event; 2] {
    let closed = Closed { code: 1006, reason: String::new(), was_clean: false };
    [Event::Error, Event::Close(closed)]
}

#[tokio::test]
async fn whatwg_3_1_urls_of_four_schemes_and_no_fragment() {
    // H1.
    for scheme in ["ws", "wss", "http", "https", "WS", "Http"] {
        assert!(WebSocket::new(&format!("{scheme}://127.0.0.1:9/"), &[]).is_ok(), "{scheme}");
    }
    for url in ["ftp://127.0.0.1/", "127.0.0.1", "", "ws://127.0.0.1:9/#", "ws://a:99999/"] {
        assert!(matches!(WebSocket::new(url, &[]), Err(RequestError::Url(_))), "{url}");
    }
}

#[tokio::test]
async fn whatwg_3_1_subprotocols_are_tokens_and_stand_once() {
    // H2.
    for bad in [&["a", "a"][..], &["a b"], &[""], &["a,b"], &["ä"]] {
        let made = WebSocket::new("ws://127.0.0.1:9/", bad);
        assert!(matches!(made, Err(RequestError::Subprotocol(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn whatwg_3_1_close_takes_some_codes_and_short_reasons() {
    // H3.
    let (client, _server) = pair().await;
    for code in [0, 999, 1001, 1005, 1006, 1011, 2999, 5000, 65_535] {
        assert!(matches!(client.close(Some(code), ""), Err(CloseError::Code(_))), "{code}");
    }
    assert_eq!(client.close(Some(1000), &"x".repeat(124)), Err(CloseError::Reason));
    assert_eq!(client.ready_state(), ReadyState::Open);
    for code in [3000, 4999, 1000] {
        assert_eq!(client.close(Some(code), &"x".repeat(123)), Ok(()));
        assert_eq!(client.ready_state(), ReadyState::Closing);
    }
}

#[tokio::test]
async fn whatwg_3_1_send_by_state_and_buffered_amount() {
    // H4.
    let (listener, url) = listener().await;
    let mut client = WebSocket::new(&url, &[]).unwrap();
    assert_eq!(client.ready_state(), ReadyState::Connecting);
    assert_eq!(client.send("early"), Err(SendError::Connecting));
    let mut server = serve(&listener, &[]).await;
    assert_eq!(client.event().await, Some(Event::Open));
    assert_eq!(client.send(Message::Ping("".into())), Err(SendError::NotData));
    assert_eq!(client.send(vec![0; BUFFERED_LEN_MAX + 1]), Err(SendError::Full));
    client.send("ä").unwrap();
    assert_eq!(client.buffered_amount(), 2);
    assert_eq!(server.recv().await.unwrap().unwrap(), Message::text("ä"));
    server.send("back").await.unwrap();
    assert_eq!(client.event().await, Some(Event::Message(Message::text("back"))));
    assert_eq!(client.buffered_amount(), 0, "it was written");
    client.close(None, "").unwrap();
    client.send("late").unwrap();
    assert_eq!(client.buffered_amount(), 4);
    assert_eq!(server.recv().await.unwrap().unwrap(), Message::Close(None));
    assert!(server.recv().await.is_none());
    rest(&mut client).await;
    client.send(vec![0; 3]).unwrap();
    assert_eq!(client.buffered_amount(), 7);
}

#[tokio::test]
async fn messages_that_wait_are_counted_too_and_the_close_has_its_place() {
    let (client, mut server) = pair().await;
    // Without an await in between, the task takes none of them.
    let taken = (0..5_000).take_while(|_| client.send("").is_ok()).count();
    assert_eq!(taken, 4_095);
    assert_eq!(client.send(""), Err(SendError::Full));
    client.close(None, "").unwrap();
    for _ in 0..taken {
        assert_eq!(server.recv().await.unwrap().unwrap(), Message::text(""));
    }
    assert_eq!(server.recv().await.unwrap().unwrap(), Message::Close(None));
}

#[tokio::test]
async fn whatwg_4_failure_is_an_error_then_one_close() {
    // H5. The peer drops TCP, breaks a rule, is not there, or is given up while connecting.
    let (mut client, server) = pair().await;
    drop(server);
    assert_eq!(rest(&mut client).await, failed());
    assert_eq!(client.ready_state(), ReadyState::Closed);

    let (mut client, mut server) = pair().await;
    server.queue_frames(bytes::Bytes::from_static(b"\xff\x00"));
    server.flush().await.unwrap();
    assert_eq!(rest(&mut client).await, failed());

    let (listener, url) = listener().await;
    drop(listener);
    assert_eq!(rest(&mut WebSocket::new(&url, &[]).unwrap()).await, failed());

    let (_listener, url) = self::listener().await;
    let mut client = WebSocket::new(&url, &[]).unwrap();
    client.close(None, "").unwrap();
    assert_eq!(rest(&mut client).await, failed());
}

#[tokio::test]
async fn whatwg_4_clean_close_has_the_code_of_the_peer() {
    // H5.
    for (close, code, reason) in
        [(Some(CloseFrame::try_new(4_001, "why").unwrap()), 4_001, "why"), (None, 1_005, "")]
    {
        let (mut client, mut server) = pair().await;
        server.queue(Message::Close(close));
        let serve = async { while server.recv().await.is_some() {} };
        let (events, ()) = tokio::join!(rest(&mut client), serve);
        let closed = Closed { code, reason: reason.to_owned(), was_clean: true };
        assert_eq!(events, [Event::Close(closed)]);
    }
}

#[tokio::test]
async fn whatwg_2_redirects_and_unanswered_subprotocols_fail() {
    // H6.
    let (listener, url) = listener().await;
    let mut client = WebSocket::new(&url, &["chat"]).unwrap();
    let (events, _server) = tokio::join!(rest(&mut client), serve(&listener, &[]));
    assert_eq!(events, failed());

    let mut client = WebSocket::new(&url, &["chat", "talk"]).unwrap();
    let _server = serve(&listener, &["talk"]).await;
    assert_eq!(client.event().await, Some(Event::Open));
    assert_eq!(client.protocol(), "talk");

    let mut client = WebSocket::new(&url, &[]).unwrap();
    let (mut tcp, _) = listener.accept().await.unwrap();
    tcp.read_u8().await.unwrap();
    let elsewhere = format!("HTTP/1.1 302 Found\r\nLocation: {url}\r\n\r\n");
    tcp.write_all(elsewhere.as_bytes()).await.unwrap();
    assert_eq!(rest(&mut client).await, failed());
}

#[tokio::test]
async fn whatwg_2_request_has_the_browsers_offer_origin_and_cookies() {
    // H7.
    let (listener, url) = listener().await;
    let mut headers = http::HeaderMap::new();
    headers.insert("origin", "https://page.example".parse().unwrap());
    headers.insert("cookie", "session=1".parse().unwrap());
    let options = Options { headers, ..Options::default() };
    let connector = Connector { options, ..Connector::default() };
    let _client = WebSocket::with(&url, &["chat"], connector).unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    let mut seen = http::HeaderMap::new();
    let accepted = accept_with(tcp, Config::default(), |request| {
        seen = request.headers().clone();
        Ok(server::Options::default())
    });
    accepted.await.unwrap();
    let offer = "permessage-deflate; client_max_window_bits";
    assert_eq!(seen["sec-websocket-extensions"], offer);
    assert_eq!(seen["origin"], "https://page.example");
    assert_eq!(seen["cookie"], "session=1");
    assert_eq!(seen["sec-websocket-protocol"], "chat");
}

#[tokio::test]
async fn handle_that_is_dropped_closes() {
    let (client, mut server) = pair().await;
    drop(client);
    let close = server.recv().await.unwrap().unwrap();
    assert!(matches!(close, Message::Close(Some(close)) if u16::from(close.code()) == 1001));
}
