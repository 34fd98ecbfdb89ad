//! HTTP/3 as a hostile peer writes it (RFC 9114, 7; RFC 9204, 4.5), over an honest QUIC.

use crate::attack::{Outcome, Target, within};
use crate::relay::trusting;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, SendStream};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const DATA: u64 = 0;
pub(crate) const HEADERS: u64 = 1;
pub(crate) const SETTINGS: u64 = 4;
/// Types of unidirectional streams.
pub(crate) const CONTROL: u64 = 0;
pub(crate) const QPACK_ENCODER: u64 = 2;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// RFC 9000, 16.
pub(crate) fn varint(out: &mut Vec<u8>, value: u64) {
    match value {
        0..0x40 => out.push(value as u8),
        0x40..0x4000 => out.extend_from_slice(&(value as u16 | 0x4000).to_be_bytes()),
        0x4000..0x4000_0000 => out.extend_from_slice(&(value as u32 | 0x8000_0000).to_be_bytes()),
        _ => out.extend_from_slice(&(value | 0xc000_0000_0000_0000).to_be_bytes()),
    }
}

/// The beginning of a frame, which need not tell the truth about its length.
pub(crate) fn head(kind: u64, len: u64) -> Vec<u8> {
    let mut head = Vec::new();
    varint(&mut head, kind);
    varint(&mut head, len);
    head
}

pub(crate) fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [&head(kind, payload.len() as u64)[..], payload].concat()
}

/// The field section of an ordinary GET.
pub(crate) fn request(path: &str) -> Vec<u8> {
    // The prefix, `:method: GET` and `:scheme: https` of the static table, and two of its names.
    let mut block = vec![0, 0, 0xc0 | 17, 0xc0 | 23];
    for (name, value) in [(0x51, path), (0x50, "localhost")] {
        block.extend_from_slice(&[name, value.len() as u8]);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// A client's, which trusts the server.
pub(crate) fn endpoint(target: Target) -> Outcome<Endpoint> {
    let quic = target.quic.ok_or("the server speaks no HTTP/3")?;
    let mut tls = trusting(quic.certificate)?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let tls = QuicClientConfig::try_from(tls).map_err(|error| error.to_string())?;
    let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address"));
    let mut endpoint = endpoint.map_err(|error| error.to_string())?;
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(tls)));
    Ok(endpoint)
}

/// A connection without its control stream.
pub(crate) async fn connect(target: Target) -> Outcome<(Endpoint, Connection)> {
    let quic = target.quic.ok_or("the server speaks no HTTP/3")?;
    let endpoint = endpoint(target)?;
    let connecting = endpoint.connect(quic.address, "localhost").map_err(|e| e.to_string())?;
    let connection = within(PATIENCE, "QUIC's handshake", connecting).await?;
    Ok((endpoint, connection.map_err(|error| format!("QUIC: {error}"))?))
}

/// The same with a control stream, as it should be; it must be kept.
pub(crate) async fn open(target: Target) -> Outcome<(Endpoint, Connection, SendStream)> {
    let (endpoint, connection) = connect(target).await?;
    let control = uni(&connection, CONTROL, &frame(SETTINGS, &[])).await?;
    Ok((endpoint, connection, control))
}

/// Opens a unidirectional stream, and sends what the server takes of this within a while.
pub(crate) async fn uni(connection: &Connection, kind: u64, octets: &[u8]) -> Outcome<SendStream> {
    let opened = within(PATIENCE, "a stream", connection.open_uni()).await?;
    let mut stream = opened.map_err(|error| format!("a stream: {error}"))?;
    let mut first = Vec::new();
    varint(&mut first, kind);
    stream.write_all(&first).await.ok();
    tokio::time::timeout(Duration::from_secs(2), stream.write_all(octets)).await.ok();
    Ok(stream)
}

/// The server must close the connection.
pub(crate) async fn is_closed(connection: &Connection, what: &str) -> Outcome {
    within(PATIENCE, what, connection.closed()).await.map(drop)
}
