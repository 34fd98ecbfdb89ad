//! Answers of HTTP/1.1, as far as the servers that are measured write them.

use crate::{Failure, Result};

/// Reads one answer after the other off a connection.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The start of a head or of a chunk's line whose rest is still to come.
    line: Vec<u8>,
    body: Body,
}

/// Where in an answer it stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Body {
    #[default]
    Head,
    /// So many octets to come.
    Sized(u64),
    ChunkHead,
    /// So many to come, with the line end behind the chunk.
    Chunk(u64),
    Trailer,
}

impl Answers {
    /// Takes what came: the body's octets are appended, and each answer's end is told. Answers with
    /// an error are failures.
    pub(crate) fn take(
        &mut self,
        mut octets: &[u8],
        body: &mut Vec<u8>,
        ended: &mut bool,
    ) -> Result {
        while !octets.is_empty() {
            match self.body {
                Body::Head => {
                    let Some(head) = self.upto(&mut octets, b"\r\n\r\n") else { return Ok(()) };
                    self.body = read_head(&String::from_utf8_lossy(&head))?;
                }
                Body::Sized(left) => {
                    let (piece, rest) = octets.split_at(octets.len().min(left as usize));
                    body.extend_from_slice(piece);
                    octets = rest;
                    self.body = Body::Sized(left - piece.len() as u64);
                }
                Body::ChunkHead => {
                    let Some(line) = self.upto(&mut octets, b"\r\n") else { return Ok(()) };
                    let digits = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
                    let len = u64::from_str_radix(&digits, 16).map_err(Failure::at("chunk"))?;
                    self.body = if len == 0 { Body::Trailer } else { Body::Chunk(len + 2) };
                }
                Body::Chunk(left) => {
                    let (piece, rest) = octets.split_at(octets.len().min(left as usize));
                    let of_body = piece.len().min(left.saturating_sub(2) as usize);
                    body.extend_from_slice(&piece[..of_body]);
                    octets = rest;
                    let left = left - piece.len() as u64;
                    self.body = if left == 0 { Body::ChunkHead } else { Body::Chunk(left) };
                }
                Body::Trailer => {
                    if self.upto(&mut octets, b"\r\n").is_none() {
                        return Ok(());
                    }
                    self.body = Body::Sized(0);
                }
            }
            if self.body == Body::Sized(0) {
                self.body = Body::Head;
                *ended = true;
            }
        }
        Ok(())
    }

    /// What comes up to this end, once all of it is there.
    fn upto(&mut self, octets: &mut &[u8], end: &[u8]) -> Option<Vec<u8>> {
        while let Some((first, rest)) = octets.split_first() {
            self.line.push(*first);
            *octets = rest;
            if self.line.ends_with(end) {
                return Some(std::mem::take(&mut self.line));
            }
        }
        None
    }
}

fn read_head(head: &str) -> Result<Body> {
    let status = head.split(' ').nth(1).unwrap_or_default();
    let value = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    match (status, value("content-length"), value("transfer-encoding")) {
        ("204", _, _) => Ok(Body::Sized(0)),
        ("200", Some(len), _) => len.parse().map(Body::Sized).map_err(Failure::at("length")),
        ("200", None, Some("chunked")) => Ok(Body::ChunkHead),
        _ => Err(Failure::new(format!("the server answered: {head}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_however_they_are_cut() {
        let octets = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
                       HTTP/1.1 204 No Content\r\n\r\n\
                       HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                       3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        for step in [1, 2, 7, 1000] {
            let (mut answers, mut body, mut ends) = (Answers::default(), Vec::new(), 0);
            for piece in octets.chunks(step) {
                let mut ended = false;
                answers.take(piece, &mut body, &mut ended).unwrap();
                ends += usize::from(ended);
            }
            assert_eq!(body, b"helloabc0123456789");
            assert!(ends == if step == 1000 { 1 } else { 3 }, "{step}: {ends}");
        }
    }

    #[test]
    fn an_error_is_a_failure() {
        let (mut answers, mut body, mut ended) = (Answers::default(), Vec::new(), false);
        let octets = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        assert!(answers.take(octets, &mut body, &mut ended).is_err());
    }
}
