//! A peer that writes and reads octets by hand.

use omniwire_websocket::handshake::server::{Options, Refusal};
use omniwire_websocket::{Config, Error, Role, WebSocket, accept_with, mask};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// A server behind a finished handshake, and the octets' end of its peer.
pub(crate) fn server() -> (WebSocket<DuplexStream>, DuplexStream) {
    behind_handshake(Role::Server)
}

/// A client behind a finished handshake, and the octets' end of its peer.
pub(crate) fn client() -> (WebSocket<DuplexStream>, DuplexStream) {
    behind_handshake(Role::Client)
}

fn behind_handshake(role: Role) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(1 << 20);
    let socket = WebSocket::from_parts(ours, role, Config::default(), &b""[..]).unwrap();
    (socket, theirs)
}

/// A masked frame as a client sends it; `first` is its first octet, the payload at most 65,535.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ ..=125 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
    }
    let key = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend_from_slice(&key);
    let start = frame.len();
    frame.extend_from_slice(payload);
    mask::apply(&mut frame[start..], key, 0);
    frame
}

/// Everything up to the end of the stream.
pub(crate) async fn read_all(peer: &mut DuplexStream) -> Vec<u8> {
    let mut all = Vec::new();
    peer.read_to_end(&mut all).await.unwrap();
    all
}

/// Sends a request to a server with these options; its answer's head, and how it ended.
pub(crate) async fn ask(
    request: &[u8],
    decide: impl FnOnce(&http::Request<()>) -> Result<Options, Refusal>,
) -> (String, Result<WebSocket<DuplexStream>, Error>) {
    let (ours, mut theirs) = duplex(1 << 20);
    theirs.write_all(request).await.unwrap();
    let result = accept_with(ours, Config::default(), decide).await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") && theirs.read_buf(&mut answer).await.unwrap() > 0 {}
    (String::from_utf8(answer).unwrap(), result)
}
