use super::*;
use proptest::prelude::*;

/// Hub messages, whole and broken.
fn json_record() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        r#"{"type":6}"#,
        r#"{"type":1,"target":"a\u001e","arguments":[1,"é",{"x":[]}]}"#,
        r#"{"type":4,"invocationId":"1","target":"b","arguments":[]}"#,
        r#"{"type":2,"invocationId":"1","item":1}"#,
        r#"{"type":3,"invocationId":"s1","result":1}"#,
        r#"{"type":99}"#,
        r#"{"type":7}"#,
        r#"{}"#,
    ])
    .prop_map(|text| format!("{text}\u{1e}").into_bytes())
}

fn packed_record() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        &b"\x02\x91\x06"[..],
        b"\x0d\x95\x01\x80\xc0\xa1a\x93\x01\xc4\x01\x1e\xa1\x1e",
        b"\x09\x95\x04\x80\xa11\xa1b\x90\xc0",
        b"\x06\x94\x02\x80\xa11\x01",
        b"\x08\x95\x03\x80\xa2s1\x03\x01",
        b"\x02\x91\x63",
        b"\x02\x92\x07",
        b"\x00",
    ])
    .prop_map(<[u8]>::to_vec)
}

fn run(protocol: &str, chunks: &[&[u8]]) -> Vec<Seen> {
    let mut bench = Bench::open(Config::default(), protocol);
    chunks.iter().flat_map(|chunk| bench.say_bytes(chunk)).collect()
}

fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut chunks = Vec::new();
    for &cut in cuts {
        let (chunk, after) = rest.split_at(cut.min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks.push(rest);
    chunks
}

#[test]
fn records_split_at_any_byte() {
    let json = "{\"type\":1,\"target\":\"é\",\"arguments\":[\"\\u001e\"]}\u{1e}{\"type\":3,\
                \"invocationId\":\"s1\"}\u{1e}";
    let packed = b"\x0a\x95\x01\x80\xc0\xa1a\x91\xa2\xc3\xa9\x08\x95\x03\x80\xa2s1\x03\x01";
    for (protocol, bytes) in [("json", json.as_bytes()), ("messagepack", packed)] {
        let whole = run(protocol, &[bytes]);
        assert_eq!(whole.len(), 2);
        for at in 0..bytes.len() {
            assert_eq!(run(protocol, &[&bytes[..at], &bytes[at..]]), whole, "{protocol} at {at}");
        }
    }
}

/// One thing that a driver may do; most are mistakes.
fn step(bench: &mut Bench, what: u8, id: u32) -> Result<Vec<Seen>, Fault> {
    let carrier = match id % 3 {
        0 => Carrier::LongPoll,
        1 => Carrier::WebSocket,
        _ => Carrier::EventStream,
    };
    let id = CarrierId::new(id);
    match what {
        0 | 1 => bench.input(Input::Attach { id, carrier }),
        2 => bench.input(Input::Detach { id, how: Detached::Lost }),
        3 => bench.input(Input::Detach { id, how: Detached::Done }),
        4 | 5 => bench.post(&handshake("json")),
        6 => bench.post("{\"type\":6}\u{1e}{\"type\":1,\"target\":\"a\",\"arguments\":[]}\u{1e}"),
        7 => bench.post("{}\u{1e}"),
        8 => Ok(bench.sleep(u64::from(id.number()) * 20)),
        9 => {
            bench.pack(Carrier::LongPoll, &["x"]);
            Ok(Vec::new())
        }
        10 => bench.input(Input::Kick { link: Link::FIRST, whole: true, close: None }),
        _ => bench.input(Input::Close { reason: Reason::ClientLeft }),
    }
}

proptest! {
    #[test]
    fn split_and_joined_anywhere(
        json in prop::collection::vec(json_record(), 0..8),
        packed in prop::collection::vec(packed_record(), 0..8),
        cuts in prop::collection::vec(1_usize..40, 0..20),
    ) {
        for (protocol, records) in [("json", json), ("messagepack", packed)] {
            let bytes = records.concat();
            prop_assert_eq!(run(protocol, &cut(&bytes, &cuts)), run(protocol, &[&bytes]));
        }
    }

    #[test]
    fn bytes_of_any_kind(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        run("json", &[&bytes]);
        run("messagepack", &[&bytes]);
        let mut bench = Bench::new(Config::default());
        bench.attach(1, Carrier::WebSocket).unwrap();
        bench.say_bytes(&bytes);
    }

    #[test]
    fn records_with_a_flaw(
        mut bytes in prop_oneof![json_record(), packed_record()],
        at in any::<prop::sample::Index>(),
        flaw in any::<u8>(),
    ) {
        let at = at.index(bytes.len());
        bytes[at] = flaw;
        run("json", &[&bytes]);
        run("messagepack", &[&bytes]);
    }

    /// No panic, nothing after the end, and a peer leaves at most as often as it entered.
    #[test]
    fn inputs_in_any_order(inputs in prop::collection::vec((0_u8..12, 0_u32..4), 0..40)) {
        let mut bench = Bench::new(Config::default());
        bench.drain();
        let mut seen = Vec::new();
        for (what, id) in inputs {
            let over = seen.iter().any(|seen| matches!(seen, Seen::Closed(_)));
            let news = step(&mut bench, what, id).unwrap_or_default();
            prop_assert!(!over || news.is_empty());
            seen.extend(news);
        }
        let count = |wanted: fn(&Seen) -> bool| seen.iter().filter(|seen| wanted(seen)).count();
        let left = count(|seen| matches!(seen, Seen::Event(Event::Leave { .. })));
        let entered = count(|seen| matches!(seen, Seen::Event(Event::Enter { .. })));
        prop_assert!(left <= entered);
    }
}
