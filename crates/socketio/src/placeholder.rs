//! Where attachments stand in JSON: objects `{"_placeholder":true,"num":0}`, at any depth.

use crate::packet::{Invalid, string_len};
use bytes::{Bytes, BytesMut};
use omniwire_session::{Args, Blob, json};
use std::ops::Range;

/// An object with a member `_placeholder`, as JavaScript would read it: of members with the same
/// name, the last counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Marked {
    /// Where the object is.
    at: Range<usize>,
    /// Where the value of `_placeholder` is.
    marker: Range<usize>,
    /// Where the value of `num` is.
    num: Option<Range<usize>>,
}

/// Puts `attachments` where the placeholders of `args` are. A placeholder may come twice, and an
/// attachment may have none.
///
/// # Errors
/// A placeholder names no attachment, or they stand for more than `len_max` bytes in all.
pub(crate) fn fill(args: &Args, attachments: &[Bytes], len_max: usize) -> Result<Args, Invalid> {
    let source = args.json();
    let mut out = BytesMut::with_capacity(source.len());
    let mut blobs = Vec::new();
    let mut done = 0;
    let mut len = 0_usize;
    let mut marked: Vec<Marked> =
        find(source).into_iter().filter(|m| text(source, &m.marker) == "true").collect();
    marked.sort_by_key(|marked| marked.at.start);
    for Marked { at, num, .. } in marked {
        // What is inside a placeholder is not looked at.
        if at.start < done {
            continue;
        }
        let index = num.and_then(|num| index(text(source, &num)));
        let bytes = index.and_then(|index| attachments.get(index));
        let bytes = bytes.ok_or(Invalid("illegal attachments"))?.clone();
        len = len.saturating_add(bytes.len());
        if len > len_max {
            return Err(Invalid("attachments repeated too often"));
        }
        out.extend_from_slice(text(source, &(done..at.start)).as_bytes());
        blobs.push(Blob { at: out.len(), bytes });
        out.extend_from_slice(b"null");
        done = at.end;
    }
    if blobs.is_empty() {
        return Ok(args.clone());
    }
    out.extend_from_slice(text(source, &(done..source.len())).as_bytes());
    Ok(Args::with_blobs(json::into_text(out), blobs)?)
}

/// Writes arguments with a placeholder where each byte string stands. Objects that only look
/// like placeholders get `false` for their mark, else they would reach for attachments that are
/// not theirs, or, having none, would make the client close.
pub(crate) fn write(args: &Args, out: &mut BytesMut) {
    let source = args.json();
    let blobs = args.blobs().iter().enumerate();
    let mut edits: Vec<(Range<usize>, Option<usize>)> = blobs
        .map(|(index, blob)| (blob.at..blob.at.saturating_add(NULL_LEN), Some(index)))
        .collect();
    if edits.is_empty() {
        out.extend_from_slice(source.as_bytes());
        return;
    }
    let lookalikes = find(source).into_iter().map(|marked| marked.marker);
    // Some clients take any value that counts as true.
    let lookalikes = lookalikes.filter(|at| !matches!(text(source, at), "false" | "null"));
    edits.extend(lookalikes.map(|at| (at, None)));
    edits.sort_by_key(|(at, _)| at.start);
    let mut done = 0;
    for (at, blob) in edits {
        if at.start < done {
            continue;
        }
        out.extend_from_slice(text(source, &(done..at.start)).as_bytes());
        match blob {
            Some(index) => {
                let placeholder = format!(r#"{{"_placeholder":true,"num":{index}}}"#);
                out.extend_from_slice(placeholder.as_bytes());
            }
            None => out.extend_from_slice(b"false"),
        }
        done = at.end;
    }
    out.extend_from_slice(text(source, &(done..source.len())).as_bytes());
}

/// What stands for a byte string in JSON: `null`.
const NULL_LEN: usize = 4;

fn text<'a>(source: &'a str, at: &Range<usize>) -> &'a str {
    source.get(at.clone()).unwrap_or_default()
}

/// A number that is an index, in any spelling that JSON has for it.
fn index(number: &str) -> Option<usize> {
    let number: f64 = number.parse().ok()?;
    (number.fract() == 0.0 && (0.0..1e9).contains(&number)).then_some(number as usize)
}

/// All objects with a member `_placeholder` in elements that were validated before, in the order
/// in which they end.
fn find(valid: &str) -> Vec<Marked> {
    let mut finder = Finder { valid, ..Finder::default() };
    let bytes = valid.as_bytes();
    let mut at = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        let next = at.saturating_add(1);
        match byte {
            b'{' | b'[' => {
                finder.open.push(Level::new(at, byte == b'{'));
                finder.key_next = byte == b'{';
                at = next;
            }
            b'}' | b']' => {
                at = next;
                finder.close(at);
            }
            b',' => {
                finder.key_next = finder.open.last().is_some_and(|level| level.object);
                at = next;
            }
            b':' | b' ' | b'\t' | b'\n' | b'\r' => at = next,
            b'"' => {
                let rest = valid.get(at..).unwrap_or_default();
                let end = at.saturating_add(string_len(rest).unwrap_or(rest.len()));
                finder.string(at..end);
                at = end;
            }
            _ => {
                let rest = bytes.get(at..).unwrap_or_default();
                let ends = |byte: &u8| b",]} \t\n\r".contains(byte);
                let len = rest.iter().position(ends).unwrap_or(rest.len());
                let end = at.saturating_add(len.max(1));
                finder.value(at..end);
                at = end;
            }
        }
    }
    finder.found
}

#[derive(Default)]
struct Finder<'a> {
    valid: &'a str,
    open: Vec<Level>,
    key_next: bool,
    found: Vec<Marked>,
}

/// An array or object that is not yet at its end.
struct Level {
    start: usize,
    object: bool,
    key: Key,
    marker: Option<Range<usize>>,
    num: Option<Range<usize>>,
}

/// The member whose value comes next.
enum Key {
    Marker,
    Num,
    Other,
}

impl Level {
    fn new(start: usize, object: bool) -> Self {
        Self { start, object, key: Key::Other, marker: None, num: None }
    }
}

impl Finder<'_> {
    fn string(&mut self, at: Range<usize>) {
        if !std::mem::take(&mut self.key_next) {
            return self.value(at);
        }
        let key = match json::unescape(text(self.valid, &at)).as_deref() {
            Some("_placeholder") => Key::Marker,
            Some("num") => Key::Num,
            _ => Key::Other,
        };
        if let Some(level) = self.open.last_mut() {
            level.key = key;
        }
    }

    fn value(&mut self, at: Range<usize>) {
        if let Some(level) = self.open.last_mut() {
            match level.key {
                Key::Marker => level.marker = Some(at),
                Key::Num => level.num = Some(at),
                Key::Other => {}
            }
        }
    }

    fn close(&mut self, end: usize) {
        let Some(level) = self.open.pop() else { return };
        let at = level.start..end;
        self.value(at.clone());
        if let Some(marker) = level.marker {
            self.found.push(Marked { at, marker, num: level.num });
        }
    }
}

#[cfg(test)]
mod tests;
