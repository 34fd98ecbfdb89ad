use super::*;
use crate::{Transport, Transports};

/// Long polling, after the handshake; no poll waits.
fn polling() -> Bench {
    let mut bench = Bench::new(Config::default());
    assert_eq!(bench.attach(1, Carrier::LongPoll), Ok(vec![Seen::End(1, 200)]));
    assert_eq!(bench.detach(1, Detached::Done), []);
    assert_eq!(bench.post(&handshake("json")), Ok(vec![sent("{}"), entered("json")]));
    assert_eq!(bench.attach(2, Carrier::LongPoll), Ok(vec![Seen::Carry(Some(2))]));
    assert_eq!(bench.pack(Carrier::LongPoll, &["{}\u{1e}"]), ("{}\u{1e}".into(), Packed::Full));
    assert_eq!(bench.detach(2, Detached::Done), [Seen::Carry(None)]);
    bench
}

#[test]
fn long_polling_sent_before_the_first_poll_is_kept() {
    let mut bench = Bench::new(Config::default());
    assert_eq!(bench.post("{\"protocol\":\"json\","), Ok(vec![]));
    assert_eq!(bench.post("\"version\":1}\u{1e}"), Ok(vec![]));
    assert_eq!(bench.post(""), Ok(vec![]));
    let seen = bench.attach(1, Carrier::LongPoll);
    assert_eq!(seen, Ok(vec![Seen::End(1, 200), sent("{}"), entered("json")]));
    let mut bench = Bench::new(Config::default());
    assert_eq!(bench.post(&"x".repeat(65_537)).unwrap_err().status, 413);
}

#[test]
fn long_polling_the_newer_poll_wins() {
    let mut bench = polling();
    assert_eq!(bench.attach(3, Carrier::LongPoll), Ok(vec![Seen::Carry(Some(3))]));
    let seen = bench.attach(4, Carrier::LongPoll);
    assert_eq!(seen, Ok(vec![Seen::End(3, 204), Seen::Carry(Some(4))]));
    assert_eq!(bench.detach(3, Detached::Done), []);
    assert_eq!(bench.pack(Carrier::LongPoll, &["a", "b"]), ("ab".into(), Packed::Full));
}

#[test]
fn long_polling_idle_polls_and_no_pings() {
    let mut bench = polling();
    bench.post("{\"type\":6}\u{1e}").unwrap();
    for id in 3..6 {
        bench.attach(id, Carrier::LongPoll).unwrap();
        assert_eq!(bench.sleep(89), []);
        assert_eq!(bench.sleep(1), [Seen::Carry(None), Seen::End(id, 200)]);
        assert_eq!(bench.detach(id, Detached::Done), []);
    }
}

#[test]
fn long_polling_ends_without_polls() {
    let mut bench = polling();
    for id in 3..6 {
        bench.attach(id, Carrier::LongPoll).unwrap();
        assert_eq!(bench.detach(id, Detached::Lost), [Seen::Carry(None)]);
        assert_eq!(bench.sleep(14), []);
    }
    let reason = Reason::ConnectionLost;
    assert_eq!(bench.sleep(1), [left(reason), Seen::Closed(reason)]);
    assert_eq!(bench.attach(6, Carrier::LongPoll), Err(answers::no_connection()));
    assert_eq!(bench.post(""), Err(answers::no_connection()));
}

#[test]
fn long_polling_a_slow_client_gets_the_close_message() {
    let reason = Reason::Slow;
    let mut bench = polling();
    bench.attach(3, Carrier::LongPoll).unwrap();
    let seen = bench.input(Input::Close { reason }).unwrap();
    let close = || format!("{ERROR_CLOSE}\u{1e}");
    // The poll that waits is answered by it.
    assert_eq!(seen, [left(reason), Seen::Dismissed(reason, close(), close())]);
    // If none does, the next one brings it.
    let mut bench = polling();
    assert_eq!(bench.input(Input::Close { reason }), Ok(vec![left(reason), sent(ERROR_CLOSE)]));
    assert_eq!(bench.attach(3, Carrier::LongPoll), Ok(vec![Seen::Carry(Some(3))]));
    bench.pack(Carrier::LongPoll, &[ERROR_CLOSE]);
    assert_eq!(bench.detach(3, Detached::Done), [Seen::Carry(None)]);
    let seen = bench.attach(4, Carrier::LongPoll);
    assert_eq!(seen, Ok(vec![Seen::End(4, 204), Seen::Closed(reason)]));
    // Not if it has a farewell to fetch.
    let mut bench = polling();
    bench.post("{}\u{1e}").unwrap();
    assert_eq!(bench.input(Input::Close { reason }), Ok(vec![Seen::Closed(reason)]));
}

#[test]
fn an_event_stream_ends_with_the_close_message_of_a_slow_client() {
    let reason = Reason::Slow;
    let mut bench = Bench::new(Config::default());
    bench.attach(1, Carrier::EventStream).unwrap();
    bench.post(&handshake("json")).unwrap();
    let seen = bench.input(Input::Close { reason }).unwrap();
    let event = format!("data: {ERROR_CLOSE}\u{1e}\r\n\r\n");
    let farewell = Seen::Dismissed(reason, format!("{ERROR_CLOSE}\u{1e}"), event);
    assert_eq!(seen, [left(reason), farewell]);
}

#[test]
fn long_polling_brings_the_close_message_then_204() {
    let mut bench = polling();
    let error = || Ok(vec![left(Reason::ProtocolError), sent(ERROR_CLOSE)]);
    assert_eq!(bench.post("{}\u{1e}"), error());
    assert_eq!(bench.post("{\"type\":6}\u{1e}"), Ok(vec![]));
    assert_eq!(bench.attach(3, Carrier::LongPoll), Ok(vec![Seen::Carry(Some(3))]));
    bench.pack(Carrier::LongPoll, &[ERROR_CLOSE]);
    assert_eq!(bench.detach(3, Detached::Done), [Seen::Carry(None)]);
    let seen = bench.attach(4, Carrier::LongPoll);
    assert_eq!(seen, Ok(vec![Seen::End(4, 204), Seen::Closed(Reason::ProtocolError)]));
    // Or the client never comes for it.
    let mut bench = polling();
    assert_eq!(bench.post("{}\u{1e}"), error());
    assert_eq!(bench.sleep(15), [Seen::Closed(Reason::ProtocolError)]);
}

#[test]
fn long_polling_brings_handshake_errors_too() {
    let mut bench = Bench::new(Config::default());
    bench.attach(1, Carrier::LongPoll).unwrap();
    bench.attach(2, Carrier::LongPoll).unwrap();
    assert_eq!(bench.sleep(15), [sent("{\"error\":\"Handshake was canceled.\"}")]);
    bench.pack(Carrier::LongPoll, &["error"]);
    bench.detach(2, Detached::Done);
    let seen = bench.attach(3, Carrier::LongPoll);
    assert_eq!(seen, Ok(vec![Seen::End(3, 204), Seen::Closed(Reason::NeverEntered)]));
}

#[test]
fn delete_ends_long_polling_only() {
    let delete = || Input::Close { reason: Reason::ClientLeft };
    let mut bench = polling();
    bench.attach(3, Carrier::LongPoll).unwrap();
    let reason = Reason::ClientLeft;
    assert_eq!(bench.input(delete()), Ok(vec![left(reason), Seen::Closed(reason)]));
    assert_eq!(bench.input(delete()), Err(answers::no_connection()));
    assert_eq!(Bench::json().input(delete()), Err(answers::delete_not_allowed()));
    let mut waiting = Bench::new(Config::default());
    assert_eq!(waiting.input(delete()), Err(answers::delete_not_allowed()));
    // After a Close message was sent and not fetched.
    let mut bench = polling();
    bench.post("{\"type\":7}\u{1e}").unwrap();
    assert_eq!(bench.input(delete()), Ok(vec![Seen::Closed(Reason::ClientLeft)]));
}

#[test]
fn event_stream() {
    let mut bench = Bench::new(Config::default());
    assert_eq!(bench.attach(1, Carrier::EventStream), Ok(vec![Seen::Carry(Some(1))]));
    assert_eq!(bench.post(&handshake("json")), Ok(vec![sent("{}"), entered("json")]));
    assert_eq!(
        bench.pack(Carrier::EventStream, &["{}\u{1e}", "{\"type\":6}\u{1e}"]),
        ("data: {}\u{1e}\r\n\r\ndata: {\"type\":6}\u{1e}\r\n\r\n".into(), Packed::Open)
    );
    assert_eq!(bench.sleep(15), [sent("{\"type\":6}")]);
    let reason = Reason::ConnectionClosed;
    assert_eq!(bench.detach(1, Detached::Lost), [left(reason), Seen::Closed(reason)]);
}

#[test]
fn event_stream_has_a_data_line_for_each_line() {
    let mut bench = Bench::new(Config::default());
    let (text, _) = bench.pack(Carrier::EventStream, &["a\nb\r\nc\rd\n"]);
    assert_eq!(text, "data: a\r\ndata: b\r\ndata: c\r\ndata: d\r\ndata: \r\n\r\n");
}

#[test]
fn event_stream_refuses_messagepack() {
    let mut bench = Bench::new(Config::default());
    bench.attach(1, Carrier::EventStream).unwrap();
    let refused = sent(
        "{\"error\":\"Cannot use the 'messagepack' protocol on the current transport. The \
         transport does not support 'Binary' transfer format.\"}",
    );
    let seen = bench.post(&handshake("messagepack"));
    assert_eq!(seen, Ok(vec![refused, Seen::Closed(Reason::ProtocolError)]));
}

#[test]
fn one_transport_per_connection() {
    let mut bench = Bench::json();
    assert_eq!(bench.attach(2, Carrier::WebSocket), Err(answers::already_connected()));
    assert_eq!(bench.attach(2, Carrier::LongPoll), Err(answers::transport_changed()));
    assert_eq!(bench.post("x"), Err(answers::send_on_web_socket()));
    let mut bench = Bench::new(Config::default());
    bench.attach(1, Carrier::EventStream).unwrap();
    assert_eq!(bench.attach(2, Carrier::EventStream), Err(answers::already_connected()));
    let transports = Transports::only(Transport::WebSockets);
    let mut bench = Bench::new(Config { transports, ..Config::default() });
    let off = answers::transport_off(Transport::LongPolling);
    assert_eq!(bench.attach(1, Carrier::LongPoll), Err(off));
    bench.attach(1, Carrier::WebSocket).unwrap();
}

#[test]
fn web_socket_ends() {
    for (how, reason) in [
        (Detached::Closed { code: 1000 }, Reason::ConnectionClosed),
        (Detached::Lost, Reason::ConnectionLost),
    ] {
        let mut bench = Bench::json();
        assert_eq!(bench.detach(1, how), [left(reason), Seen::Closed(reason)]);
        assert_eq!(bench.detach(1, how), []);
    }
    // Before the handshake the application knows no peer that could leave.
    let mut bench = Bench::new(Config::default());
    bench.attach(1, Carrier::WebSocket).unwrap();
    let seen = bench.detach(1, Detached::Lost);
    assert_eq!(seen, [Seen::Closed(Reason::ConnectionLost)]);
}
