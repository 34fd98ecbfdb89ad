//! Inputs for the differential test of the frame parser, with what ours makes of them:
//! `differential COUNT` writes a line for each, `ROLE OCTETS EVENTS END`, parted by tabs.
//!
//! The events are `t:` `b:` `9:` `a:` and octets, or `8:` and a close code; the end is `open`, or
//! `fail`, the code to close with and why.

use std::env;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};

use bytes::BytesMut;
use omniwire_websocket::frame::{Header, encode};
use omniwire_websocket::{Limits, Message, OpCode, Receiver, Role};

/// How it ends where nobody did wrong.
const OPEN: &str = "open";

/// Also in the two programs that read these inputs.
const MESSAGE_LEN_MAX: usize = 1024;

fn main() -> io::Result<()> {
    let count: u64 = env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10);
    let mut out = BufWriter::new(io::stdout().lock());
    for seed in 0..count {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let role = if random.one_of(4) == 0 { Role::Client } else { Role::Server };
        let (mut octets, frame_ends) = generate(&mut random, role);
        let (events, end, seen) = receive(role, &octets);
        if end != OPEN {
            // What follows the offence would only blur what the others make of it.
            octets.truncate(frame_ends.into_iter().find(|at| *at >= seen).unwrap_or(seen));
        }
        let name = if role.is_server() { "server" } else { "client" };
        writeln!(out, "{name}\t{}\t{events}\t{end}", hex(&octets))?;
    }
    out.flush()
}

/// The same numbers for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`.
    fn one_of(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.one_of(from.len())]
    }
}

/// A few frames, mostly good ones, of which some octets may be others; and where each ends.
fn generate(random: &mut Random, role: Role) -> (BytesMut, Vec<usize>) {
    let (mut octets, mut ends) = (BytesMut::new(), Vec::new());
    let mut in_message = false;
    for _ in 0..1 + random.one_of(6) {
        frame(random, role, &mut in_message, &mut octets);
        ends.push(octets.len());
    }
    match random.one_of(8) {
        0 => octets.truncate(random.one_of(octets.len() + 1)),
        1 => {
            let at = random.one_of(octets.len());
            octets[at] = random.next() as u8;
        }
        2 => {
            let at = random.one_of(octets.len());
            octets[at] ^= 1 << random.one_of(8);
        }
        _ => {}
    }
    ends.push(octets.len());
    (octets, ends)
}

fn frame(random: &mut Random, role: Role, in_message: &mut bool, octets: &mut BytesMut) {
    let data = if *in_message { OpCode::Continuation } else { random.pick(&DATA) };
    let opcode = match random.one_of(16) {
        0..=9 => data,
        10..=13 => random.pick(&CONTROL),
        _ => random.pick(&ANY),
    };
    let fin = opcode.is_control() || random.one_of(2) == 0;
    if !opcode.is_control() {
        *in_message = !fin;
    }
    let payload = payload(random, opcode);
    let mask = role.is_server().then(|| (random.next() as u32).to_be_bytes());
    let header = Header { fin, rsv1: random.one_of(60) == 0, opcode, len: 0, mask };
    let start = octets.len();
    encode(octets, header, &payload);
    match random.one_of(40) {
        // A length in a longer form than it needs, or one that lies.
        0 => longer_length(octets, start, payload.len(), mask.is_some()),
        1 => octets[start + 1] ^= 0x80,
        2 => octets[start] = random.next() as u8,
        3 => octets[start + 1] = random.next() as u8,
        _ => {}
    }
}

fn longer_length(octets: &mut BytesMut, start: usize, len: usize, masked: bool) {
    let rest = octets.split_off(start + 2);
    let skip = if len > 125 { 2 } else { 0 };
    octets[start + 1] = if masked { 0xff } else { 0x7f };
    octets.extend_from_slice(&(len as u64).to_be_bytes());
    octets.extend_from_slice(&rest[skip.min(rest.len())..]);
}

fn payload(random: &mut Random, opcode: OpCode) -> Vec<u8> {
    if opcode == OpCode::Close {
        return match random.one_of(8) {
            0 => Vec::new(),
            1 => vec![3],
            _ => {
                let code = match random.one_of(3) {
                    0 => random.next() as u16 % 5200,
                    _ => random.pick(&CODES),
                };
                [&code.to_be_bytes()[..], random.pick(&TEXTS)].concat()
            }
        };
    }
    let len = match random.one_of(12) {
        0 => random.pick(&LENGTHS),
        _ => random.one_of(12),
    };
    let len = if opcode.is_control() && random.one_of(10) > 0 { len.min(125) } else { len };
    let mut payload = Vec::new();
    while payload.len() < len {
        payload.extend_from_slice(random.pick(&TEXTS));
        payload.push(b'.');
    }
    payload.truncate(len);
    payload
}

/// What ours makes of the octets, which come one at a time, and how many of them it took.
fn receive(role: Role, octets: &[u8]) -> (String, String, usize) {
    let limits =
        Limits { message_len: MESSAGE_LEN_MAX, frame_len: MESSAGE_LEN_MAX, fragments: usize::MAX };
    let mut receiver = Receiver::new(role, limits);
    let (mut events, mut buf) = (String::new(), BytesMut::new());
    for (at, octet) in octets.iter().enumerate() {
        buf.extend_from_slice(&[*octet]);
        loop {
            match receiver.receive(&mut buf) {
                Ok(Some(message)) => tell(&mut events, message),
                Ok(None) => break,
                Err(violation) => {
                    let (code, reason) = (u16::from(violation.code()), violation.reason());
                    return (events, format!("fail {code} {reason}"), at + 1);
                }
            }
        }
    }
    (events, OPEN.to_owned(), octets.len())
}

fn tell(events: &mut String, message: Message) {
    let kind = match &message {
        Message::Text(_) => 't',
        Message::Binary(_) => 'b',
        Message::Ping(_) => '9',
        Message::Pong(_) => 'a',
        Message::Close(close) => {
            let code = close.as_ref().map_or(1005, |close| u16::from(close.code()));
            // Writing to a String cannot fail.
            let _ = write!(events, "8:{code} ");
            return;
        }
    };
    let _ = write!(events, "{kind}:{} ", hex(&message.into_payload()));
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

const DATA: [OpCode; 2] = [OpCode::Text, OpCode::Binary];
const CONTROL: [OpCode; 3] = [OpCode::Close, OpCode::Ping, OpCode::Pong];
const ANY: [OpCode; 4] = [OpCode::Continuation, OpCode::Text, OpCode::Binary, OpCode::Ping];
const LENGTHS: [usize; 8] = [125, 126, 127, 128, 1023, 1024, 1025, 1300];
const CODES: [u16; 16] =
    [0, 999, 1000, 1001, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1014, 1015, 2999, 3000, 4999];
/// Good ones, and bad ones of each kind (RFC 3629).
const TEXTS: [&[u8]; 14] = [
    b"",
    b"abc",
    "é".as_bytes(),
    "€".as_bytes(),
    "😀".as_bytes(),
    b"Hello, world",
    b"abc",
    "ж€😀".as_bytes(),
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"\xf0\x9f",
];
