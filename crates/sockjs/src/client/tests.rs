use super::*;

const RTT: Duration = Duration::from_millis(10);

fn actions(client: &mut Client) -> Vec<Action> {
    std::iter::from_fn(|| client.poll_action()).collect()
}

/// A client that tries this transport.
fn connecting(transports: &[Transport]) -> Client {
    let mut client = Client::new(transports);
    client.informed(true, RTT);
    actions(&mut client);
    client
}

fn open(transport: Transport) -> Client {
    let mut client = connecting(&[transport]);
    client.frame("o");
    assert_eq!(actions(&mut client), [Action::Open(transport)]);
    client
}

fn closed(code: u16, reason: &str, clean: bool) -> Vec<Action> {
    vec![Action::Close(Close { code, reason: reason.to_owned(), clean })]
}

#[test]
fn each_transport_is_tried_in_its_turn_and_2000_is_the_end() {
    let mut client = Client::new(&TRANSPORTS);
    client.informed(true, RTT);
    for transport in TRANSPORTS {
        let timeout = Duration::from_millis(620);
        assert_eq!(actions(&mut client), [Action::Connect { transport, timeout }]);
        match transport {
            Transport::WebSocket => client.timed_out(),
            _ => client.ended(LineEnd::Failed),
        }
    }
    assert_eq!(actions(&mut client), closed(2000, "All transports failed", false));
}

#[test]
fn info_says_whether_there_are_websockets_and_how_long_to_wait() {
    let mut client = Client::new(&TRANSPORTS);
    client.informed(false, Duration::from_millis(200));
    let timeout = Duration::from_millis(1600);
    let transport = Transport::XhrStreaming;
    assert_eq!(actions(&mut client), [Action::Connect { transport, timeout }]);

    let mut client = Client::new(&TRANSPORTS);
    client.not_informed();
    assert_eq!(actions(&mut client), closed(1002, "Cannot connect to server", false));
}

#[test]
fn frames_mean_what_they_say_and_unknown_ones_nothing() {
    let mut client = open(Transport::XhrStreaming);
    for frame in ["h", r#"a["x", "\ud800"]"#, "a[]", r#"m"y""#] {
        client.frame(frame);
    }
    for unknown in ["", "z", "a", "a{", "m", "mx", "c", "c[3000]", "ä", "hhhhh"] {
        client.frame(unknown);
    }
    let message = |text: &str| Action::Message(text.to_owned());
    let heartbeat = Action::Heartbeat;
    assert_eq!(
        actions(&mut client),
        [
            heartbeat.clone(),
            message(r#""x""#),
            message(r#""\ud800""#),
            message(r#""y""#),
            heartbeat
        ]
    );
    client.frame(r#"c[3000,"Go \"away\"!"]"#);
    assert_eq!(actions(&mut client), closed(3000, "Go \"away\"!", true));
    client.frame("o");
    client.ended(LineEnd::Failed);
    assert_eq!(actions(&mut client), []);
}

#[test]
fn a_close_frame_ends_it_before_it_was_open_too() {
    let mut client = connecting(&TRANSPORTS);
    client.frame(r#"c[2010,"Another connection still open"]"#);
    assert_eq!(actions(&mut client), closed(2010, "Another connection still open", true));
}

#[test]
fn a_lost_session_is_not_clean() {
    let mut client = open(Transport::XhrPolling);
    client.frame("o");
    assert_eq!(actions(&mut client), closed(1006, "Server lost session", false));

    let mut client = open(Transport::XhrPolling);
    client.ended(LineEnd::Failed);
    assert_eq!(actions(&mut client), closed(1006, "permanent", false));

    let mut client = open(Transport::WebSocket);
    client.ended(LineEnd::Closed(4000, "so".to_owned()));
    assert_eq!(actions(&mut client), closed(4000, "so", false));
}

#[test]
fn one_body_is_on_its_way_and_the_rest_is_gathered() {
    let mut client = open(Transport::XhrPolling);
    for text in ["\"a\"", "\"b\"", "\"c\""] {
        client.send(text.to_owned());
    }
    assert_eq!(actions(&mut client), [Action::Send("[\"a\"]".to_owned())]);
    client.sent(true);
    assert_eq!(actions(&mut client), [Action::Send("[\"b\",\"c\"]".to_owned())]);
    client.sent(true);
    assert_eq!(actions(&mut client), []);
    client.send("\"d\"".to_owned());
    client.sent(false);
    assert_eq!(actions(&mut client).last(), closed(1006, "Sending error", false).last());
}

#[test]
fn this_side_may_close_at_any_time_once() {
    let mut client = connecting(&TRANSPORTS);
    client.send("\"too early\"".to_owned());
    client.close_by_user(1000, "Normal closure");
    client.close_by_user(3000, "again");
    assert_eq!(actions(&mut client), closed(1000, "Normal closure", true));
}

/// The frames in an answer, whatever pieces it comes in.
fn frames_of(transport: Transport, answer: &str) -> Vec<String> {
    let at_once = Frames::new(transport, 1_000).take(answer.as_bytes()).unwrap();
    for len in 1..4 {
        let mut frames = Frames::new(transport, 1_000);
        let pieces = answer.as_bytes().chunks(len);
        let in_pieces: Vec<_> = pieces.flat_map(|piece| frames.take(piece).unwrap()).collect();
        assert_eq!(in_pieces, at_once, "pieces of {len}");
    }
    at_once
}

#[test]
fn answers_are_cut_into_frames() {
    let streamed = frames_of(Transport::XhrStreaming, "hhh\no\na[\"ä\"]\nnot whole");
    assert_eq!(streamed, ["hhh", "o", "a[\"ä\"]"]);
    let events = "\r\ndata: o\r\n\r\n: said\r\n\r\ndata:a[\"100%25 %41 %2f %zz\"]\n\n\
                  event: x\rdata: h\rdata: h\r\r\ndata: not whole\n";
    let events = frames_of(Transport::EventSource, events);
    assert_eq!(events, ["o", "a[\"100% A %2f %zz\"]", "h\nh"]);
    assert_eq!(frames_of(Transport::EventSource, "data: %ff\n\n"), ["%ff"]);
}

#[test]
fn a_line_without_end_is_refused() {
    let mut frames = Frames::new(Transport::XhrPolling, 10);
    assert_eq!(frames.take(b"0123456789"), Ok(vec![]));
    assert_eq!(frames.take(b"x"), Err(TooLong));
}
