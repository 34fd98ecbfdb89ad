use super::*;
use omniwire_session::{Blob, Position};
use proptest::prelude::*;

fn read(hex: &[&[u8]]) -> Result<Packet, Invalid> {
    decode(&Bytes::from(hex.concat()))
}

fn packet(namespace: &'static str, body: Body) -> Packet {
    Packet { namespace: namespace.into(), body }
}

fn list(json: &str) -> Args {
    Args::from_elements(json.into()).unwrap()
}

const TYPE: &[u8] = b"\xa4type";
const NSP: &[u8] = b"\xa3nsp\xa1/";
const DATA: &[u8] = b"\xa4data";
const ID: &[u8] = b"\xa2id";
/// `undefined`, as notepack.io has it.
const UNDEFINED: &[u8] = &[0xd4, 0, 0];

#[test]
fn undefined_is_as_good_as_nothing() {
    let connect = || packet("/", Body::Connect { auth: Args::default() });
    assert_eq!(read(&[b"\x82", TYPE, b"\0", NSP]).unwrap(), connect());
    assert_eq!(read(&[b"\x83", TYPE, b"\0", DATA, UNDEFINED, NSP]).unwrap(), connect());
    let options = b"\xa7options\x81\xa8compress\xc3";
    let leave = read(&[b"\x84", TYPE, b"\x01", NSP, DATA, b"\xc0", options]).unwrap();
    assert_eq!(leave, packet("/", Body::Disconnect));
    let event = read(&[b"\x84", TYPE, b"\x02", DATA, b"\x91\xa1a", ID, UNDEFINED, NSP]).unwrap();
    let body = Body::Event { name: "a".into(), args: Args::default(), id: None };
    assert_eq!(event, packet("/", body));
}

#[test]
fn dates_buffers_and_large_numbers_are_read() {
    let date = b"\xd7\0\0\0\0\0\0\0\x03\xe8";
    let array_buffer = b"\xc7\x02\0\x07\x08";
    let large = b"\xcf\0\x20\0\0\0\0\0\0";
    let values = [date, &array_buffer[..], large, UNDEFINED].concat();
    let read = read(&[b"\x84", TYPE, b"\x02", NSP, ID, b"\x05", DATA, b"\x95\xa1a", &values]);
    let Body::Event { args, id, .. } = read.unwrap().body else { panic!("no event") };
    assert_eq!(id.unwrap(), "5");
    let seen: serde_json::Value = serde_json::from_str(&format!("[{}]", args.json())).unwrap();
    let year: u64 = 1 << 53;
    assert_eq!(seen, serde_json::json!(["1970-01-01T00:00:01Z", null, year, null]));
    assert_eq!(args.blobs().len(), 1);
    assert_eq!(args.blobs()[0].bytes, &b"\x07\x08"[..]);
    // A date comes back as one.
    let mut out = BytesMut::new();
    encode::values(&mut out, &args.get(0).unwrap(), DIALECT);
    assert_eq!(out, &date[..]);
}

#[test]
fn what_is_no_packet_is_refused() {
    let event = |data: &[u8]| read(&[b"\x83", TYPE, b"\x02", NSP, DATA, data]);
    for (what, refused) in [
        ("empty", read(&[])),
        ("no map", read(&[b"\x93"])),
        ("no type", read(&[b"\x81", NSP])),
        ("no namespace", read(&[b"\x81", TYPE, b"\0"])),
        ("type 5", read(&[b"\x83", TYPE, b"\x05", NSP, DATA, b"\x91\xa1a"])),
        ("negative type", read(&[b"\x82", TYPE, b"\xff", NSP])),
        ("auth that is no object", read(&[b"\x83", TYPE, b"\0", NSP, DATA, b"\xa1a"])),
        ("DISCONNECT with data", read(&[b"\x83", TYPE, b"\x01", NSP, DATA, b"\x80"])),
        ("event without data", read(&[b"\x82", TYPE, b"\x02", NSP])),
        ("event that is no array", event(b"\xa1a")),
        ("event without a name", event(b"\x90")),
        ("event named by bytes", event(b"\x91\xc4\x01a")),
        ("event named by a map", event(b"\x91\x80")),
        ("reserved event", event(b"\x91\xa7connect")),
        ("id that is a text", read(&[b"\x83", TYPE, b"\x03", NSP, ID, b"\xa11"])),
        ("cut off", event(b"\x92\xa1a")),
        ("something behind", read(&[b"\x82", TYPE, b"\0", NSP, b"\0"])),
    ] {
        assert!(refused.is_err(), "{what}: {refused:?}");
    }
}

#[test]
fn what_is_written_is_what_npm_reads() {
    let ending = Ending { call: None, position: None };
    let event = event_packet("/", "a", &list("1"), ending);
    assert_eq!(event, [b"\x83", TYPE, b"\x02", NSP, DATA, b"\x92\xa1a\x01"].concat());
    let ending = Ending { call: Some(9), position: Some(Position { epoch: 1, offset: 2 }) };
    let asked = event_packet("/", "a", &list("1"), ending);
    let offset = b"\xaa00000001-2";
    let data = [b"\x93\xa1a\x01", &offset[..], ID, b"\x09"].concat();
    assert_eq!(asked, [b"\x84", TYPE, b"\x02", NSP, DATA, &data].concat());
    let ack = ack_packet("/", "300", &list("true"));
    assert_eq!(ack, [b"\x84", TYPE, b"\x03", NSP, DATA, b"\x91\xc3", ID, b"\xcd\x01\x2c"].concat());
    let out = control(Control::Disconnect, "", &Args::default());
    assert_eq!(out, [b"\x82", TYPE, b"\x01", NSP].concat());
    let out = control(Control::Connect, "/", &list(r#"{"sid":"x"}"#));
    assert_eq!(out, [b"\x83", TYPE, b"\0", NSP, DATA, b"\x81\xa3sid\xa1x"].concat());
}

proptest! {
    #[test]
    fn an_event_comes_back_as_it_went(
        name in "[a-z]{1,9}",
        numbers in prop::collection::vec(any::<i32>(), 0..4),
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut json: String = numbers.iter().map(|number| format!("{number},")).collect();
        let at = json.len();
        json.push_str("null");
        let blobs = vec![Blob { at, bytes: bytes.into() }];
        let args = Args::with_blobs(json.into(), blobs).unwrap();
        let written = event_packet("/a", &name, &args, Ending { call: Some(1), position: None });
        let body = Body::Event { name: name.into(), args, id: Some("1".into()) };
        prop_assert_eq!(decode(&written.freeze()).unwrap(), packet("/a", body));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = decode(&bytes.into());
    }
}
