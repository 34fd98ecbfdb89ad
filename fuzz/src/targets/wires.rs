//! From one client's arguments into every wire form: what we write is what that protocol's own
//! reader takes for the one event that was meant. A hostile client can forge nothing in another.

use bytes::Bytes;
use omniwire_engineio::wire::{Binary, EngineIoWire};
use omniwire_engineio::{Packet, Protocol};
use omniwire_plain::envelope::Envelope;
use omniwire_session::{
    Args, Blob, ByteString, CallId, Encoding, Event, Frame, Kind, Message, Outgoing, Wire,
    WireForm, WireId, json,
};
use omniwire_socketio::{Body, RESERVED_EVENTS, wire::SocketIoWire};
use omniwire_sockjs::{Wrapped, unescape_keeping_surrogates};

use crate::input::Input;
use crate::session::frames;
use crate::targets::args::depth;
use crate::targets::sockjs::damaged;
use crate::targets::{sessions, signalr, socketio};

/// What is said: a name, the client's name of a call, arguments, bytes for each `null` of them.
pub(crate) fn wires(input: &[u8]) {
    let mut input = Input::new(input);
    let name = input.text();
    let call = CallId(input.text());
    let text = Args::from_text(name.clone());
    for args in [Some(text), read_args(&mut input)].into_iter().flatten() {
        // Two brackets more stand around them in a record.
        if depth(args.json()) <= 60 {
            check(&name, &call, &args);
        }
    }
}

fn check(name: &str, call: &CallId, args: &Args) {
    for namespace in ["/", "/chat"] {
        for binary in [Binary::Bare, Binary::Typed, Binary::Base64] {
            check_socketio(namespace, name, args, binary);
        }
    }
    for binary in [Binary::Bare, Binary::Typed, Binary::Base64] {
        check_engineio(args, binary);
    }
    check_signalr_json(name, args, call);
    check_messagepack(name, args);
    check_sockjs(name, args);
    check_envelope(name, args);
    check_event_stream(name, args);
}

/// Arguments, with a byte string for each `null` that can be one, as long as there are parts.
fn read_args(input: &mut Input<'_>) -> Option<Args> {
    let elements = input.text();
    let mut args = Args::from_elements(elements.clone()).ok()?;
    for (at, _) in elements.match_indices("null") {
        if input.is_empty() {
            break;
        }
        let bytes = Bytes::copy_from_slice(input.part());
        let blobs = [args.blobs(), &[Blob { at, bytes }]].concat();
        if let Ok(with) = Args::with_blobs(elements.clone(), blobs) {
            args = with;
        }
    }
    Some(args)
}

fn event<'a>(name: &'a str, args: &'a Args) -> Outgoing<'a> {
    Outgoing::Event { name, args, call: None, position: None }
}

fn encode(wire: WireForm, namespace: &str, what: Outgoing<'_>) -> Vec<Frame> {
    let mut encoding = Encoding::default();
    wire.0.encode(namespace, what, &mut encoding);
    frames(encoding)
}

fn text_of(frame: &Frame) -> ByteString {
    assert_eq!(frame.kind(), Kind::Text);
    ByteString::try_from(frame.payload()).expect("a text is UTF-8")
}

fn only(frames: Vec<Frame>) -> Frame {
    let [frame] = <[Frame; 1]>::try_from(frames).expect("one frame");
    frame
}

/// What an Engine.IO client makes of a frame.
fn engineio_message(frame: &Frame, binary: Binary) -> Message {
    let protocol = if binary == Binary::Bare { Protocol::V4 } else { Protocol::V3 };
    let message = match frame.kind() {
        Kind::Text => Message::Text(text_of(frame)),
        Kind::Binary => Message::Binary(frame.payload()),
    };
    let packet = Packet::decode(protocol, message).expect("a packet");
    assert_eq!(packet.kind, omniwire_engineio::PacketType::Message);
    packet.data
}

fn check_socketio(namespace: &str, name: &str, args: &Args, binary: Binary) {
    let frames = encode(
        SocketIoWire::form(omniwire_socketio::Parser::Json, binary),
        namespace,
        event(name, args),
    );
    if RESERVED_EVENTS.contains(&name) {
        return assert!(frames.is_empty());
    }
    let messages = frames.iter().map(|frame| engineio_message(frame, binary)).collect();
    let packet = socketio::read_own(messages).expect("a whole packet");
    assert_eq!(packet.namespace, namespace);
    let Body::Event { name: read_name, args: read, id: None } = packet.body else {
        panic!("no event: {packet:?}");
    };
    assert_eq!(read_name, name);
    socketio::check_args(&read);
    assert_eq!(read.len(), args.len());
    let bytes = |args: &Args| args.blobs().iter().map(|blob| blob.bytes.clone()).collect();
    let (read_bytes, bytes): (Vec<_>, Vec<_>) = (bytes(&read), bytes(args));
    assert_eq!(read_bytes, bytes);
    if bytes.is_empty() {
        assert_eq!(read.json().trim_ascii(), args.json().trim_ascii());
    }
}

fn check_engineio(args: &Args, binary: Binary) {
    let frames = encode(EngineIoWire::form(binary), "", event("message", args));
    assert_eq!(frames.len(), args.len());
    for (frame, argument) in frames.iter().zip(args.iter()) {
        match (engineio_message(frame, binary), argument.as_bytes()) {
            (Message::Binary(read), Some(bytes)) => assert_eq!(read, bytes),
            (Message::Text(text), None) => {
                let whole = argument.to_base64_json();
                let wanted = json::unescape(&whole).unwrap_or((&*whole).into());
                assert_eq!(text, *wanted);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn check_signalr_json(name: &str, args: &Args, call: &CallId) {
    let frame = only(encode(omniwire_signalr::JSON, "", event(name, args)));
    let Some(Event::Message { name: read_name, args: read, call: None, uploads, .. }) =
        signalr::read_own("json", frame.as_payload())
    else {
        panic!("no invocation");
    };
    assert_eq!(read_name, name);
    assert_eq!(read.json().trim_ascii(), args.to_base64_json().trim_ascii());
    assert!(uploads.is_empty());

    let reply = Outgoing::Reply { call, outcome: Ok(args) };
    let frame = only(encode(omniwire_signalr::JSON, "", reply));
    if call.0.is_empty() {
        return; // no session lets such a call in
    }
    match signalr::read_own("json", frame.as_payload()) {
        Some(Event::End { stream, error: None, .. }) => assert_eq!(stream, call.0),
        Some(Event::Reply { call: read, .. }) => assert_eq!(call.0, format!("s{read}")),
        other => panic!("no completion: {other:?}"),
    }
}

fn check_messagepack(name: &str, args: &Args) {
    let frame = only(encode(omniwire_signalr::MESSAGE_PACK, "", event(name, args)));
    if name.is_empty() {
        return; // which no hub has
    }
    let Some(Event::Message { name: read_name, args: read, call: None, .. }) =
        signalr::read_own("messagepack", frame.as_payload())
    else {
        panic!("no invocation");
    };
    assert_eq!(read_name, name);
    socketio::check_args(&read);
    assert_eq!(read.len(), args.len());
    assert_eq!(read.blobs().len(), args.blobs().len());
    // Numbers and escapes may be spelt otherwise, but only once.
    let again = only(encode(omniwire_signalr::MESSAGE_PACK, "", event(name, &read)));
    assert_eq!(again.payload(), frame.payload());
}

fn check_sockjs(name: &str, args: &Args) {
    let frame = text_of(&only(encode(WireForm(&omniwire_sockjs::RAW), "", event(name, args))));
    let message = sockjs_message(&frame);
    if args.len() == 1 && args.as_bytes().is_none() {
        let argument = args.to_base64_json();
        let argument = argument.trim_ascii();
        let wanted = unescape_keeping_surrogates(argument).unwrap_or(argument.into());
        assert_eq!(unescape_keeping_surrogates(&message).as_ref(), Some(&wanted));
    }
    static WRAPPED: &dyn Wire = &Wrapped::new(&omniwire_plain::EnvelopeWire, WireId(49));
    let frame = text_of(&only(encode(WireForm(&WRAPPED), "", event(name, args))));
    let envelope = json::unescape(&sockjs_message(&frame)).unwrap().into_owned();
    read_envelope(&envelope.into(), name, args);
}

/// The one message, a JSON string, of an `a[..]` frame.
fn sockjs_message(frame: &ByteString) -> ByteString {
    assert!(sessions::is_sockjs_frame(&Message::Text(frame.clone())), "{frame:?}");
    assert!(!frame.contains(damaged), "{frame:?}");
    let messages = Args::from_array(&frame.slice_ref(&frame[1..])).unwrap();
    assert_eq!(messages.len(), 1);
    messages.json().clone()
}

fn check_envelope(name: &str, args: &Args) {
    let wire = WireForm(&omniwire_plain::ENVELOPE);
    read_envelope(&text_of(&only(encode(wire, "", event(name, args)))), name, args);
}

fn read_envelope(text: &ByteString, name: &str, args: &Args) {
    match Envelope::parse(text) {
        Ok(Envelope::Event { name: read_name, args: read, call: None, uploads }) => {
            assert_eq!(read_name, name);
            assert_eq!(strip_line_ends(read.json()), strip_line_ends(&args.to_base64_json()));
            assert!(uploads.is_empty());
        }
        other => panic!("no event: {other:?}"),
    }
}

fn check_event_stream(name: &str, args: &Args) {
    let wire = WireForm(&omniwire_plain::SSE);
    let stream = text_of(&only(encode(wire, "", event(name, args))));
    let (kind, data) = read_event_stream(&stream);
    if kind == omniwire_plain::event_stream::ENVELOPE_EVENT {
        return read_envelope(&data, name, args);
    }
    assert_eq!(kind, name);
    let read = Args::from_array(&data).unwrap();
    assert_eq!(read.len(), args.len());
    assert_eq!(strip_line_ends(read.json()), strip_line_ends(&args.to_base64_json()));
}

/// An event stream changes line ends. They stand between tokens only, where each is as good.
fn strip_line_ends(json: &str) -> String {
    json.trim_ascii().replace("\r\n", "\n").replace('\r', "\n")
}

/// The one event of a stream, read as WHATWG HTML 9.2.6 says.
fn read_event_stream(stream: &str) -> (String, ByteString) {
    let lines = stream.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<_> = lines.split('\n').collect();
    assert_eq!(lines.pop(), Some(""), "the last line has no end");
    assert_eq!(lines.pop(), Some(""), "the event is not dispatched");
    let (mut kind, mut data) = (String::new(), Vec::new());
    for line in lines {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => kind = value.to_owned(),
            "data" => data.push(value),
            "" => panic!("two events, or a comment"),
            other => panic!("a field that nobody wrote: {other}"),
        }
    }
    (kind, data.join("\n").into())
}
