//! HTTP/1.1 as a hostile peer writes it.

use super::socket::find;
use crate::attack::{Outcome, Target, within};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer, as far as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// 0: none came.
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
    /// Whether the server ended TCP.
    pub(crate) ended: bool,
}

/// Sends octets and reads one answer whole, or until TCP ends, or the time is over.
pub(crate) async fn exchange(target: Target, octets: &[u8], time: Duration) -> Outcome<Answer> {
    let stream = within(time, "connecting", TcpStream::connect(target.address)).await?;
    let mut stream = stream.map_err(|error| format!("connecting: {error}"))?;
    let mut read = Vec::new();
    let (mut reading, mut writing) = stream.split();
    let write = async {
        // A server that has refused reads no more.
        writing.write_all(octets).await.ok();
        std::future::pending::<()>().await;
    };
    let answer = async {
        let mut chunk = [0; 16 << 10];
        loop {
            match reading.read(&mut chunk).await {
                Ok(0) | Err(_) => return true,
                Ok(len) => read.extend_from_slice(&chunk[..len]),
            }
            if is_whole(&read) {
                return false;
            }
        }
    };
    let ended = tokio::select! {
        () = write => false,
        ended = tokio::time::timeout(time, answer) => ended.unwrap_or(false),
    };
    Ok(Answer { ended, ..parse(&read) })
}

/// A request with a body whose length is told.
pub(crate) fn post(target: Target, path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        target.address,
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A request without a body; `more` are further header lines.
pub(crate) fn get(target: Target, path: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", target.address).into_bytes()
}

fn is_whole(read: &[u8]) -> bool {
    let Some(end) = find(read, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
    let body = &read[end + 4..];
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    match len.and_then(|len| len.trim().parse().ok()) {
        Some(len) => body.len() >= len,
        None => true,
    }
}

fn parse(read: &[u8]) -> Answer {
    let end = find(read, b"\r\n\r\n").unwrap_or(read.len());
    let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = read.get(end + 4..).unwrap_or_default();
    Answer { status, head, body: String::from_utf8_lossy(body).into_owned(), ended: false }
}
