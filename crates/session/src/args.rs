//! The arguments of an event.

use crate::json::{self, JsonError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A byte string inside [`Args`]: it stands where the JSON has the `null` at [`Blob::at`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Byte offset in [`Args::json`] of the `null` that it stands for.
    pub at: usize,
    /// The bytes.
    pub bytes: Bytes,
}

/// The arguments of an event: JSON elements separated by commas, without the brackets around
/// them, so that a slice of what came in can be what goes out.
///
/// The JSON is valid ([`json::validate`]): this is an invariant that every constructor keeps.
/// Relaying a slice that was not validated would let one client forge records of another's
/// protocol. Byte strings (Socket.IO attachments, MessagePack bin) stay outside the JSON.
///
/// ```
/// use omniwire_session::Args;
/// let args = Args::from_elements("1,\"two\",[3]".into()).unwrap();
/// assert_eq!(args.len(), 3);
/// assert_eq!(args.get(1).unwrap().json(), "\"two\"");
/// assert!(Args::from_elements("1],[2".into()).is_err());
/// ```
///
/// One argument that is a string may be kept as its text ([`Args::from_text`]): a raw WebSocket
/// that says it to another never makes JSON of it.
#[derive(Clone, Default)]
pub struct Args {
    elements: Elements,
    blobs: Option<Arc<[Blob]>>,
}

#[derive(Clone)]
enum Elements {
    Json(ByteString),
    Text(Arc<Text>),
}

/// One string, and its JSON once somebody has asked for it.
struct Text {
    text: ByteString,
    json: OnceLock<ByteString>,
}

impl Default for Elements {
    fn default() -> Self {
        Self::Json(ByteString::new())
    }
}

impl From<ByteString> for Elements {
    fn from(json: ByteString) -> Self {
        Self::Json(json)
    }
}

impl Args {
    /// Validates elements as they stand between the brackets of an array.
    ///
    /// # Errors
    /// They are not JSON, or nest too deep.
    pub fn from_elements(elements: ByteString) -> Result<Self, JsonError> {
        json::validate_elements(&elements)?;
        Ok(Self { elements: elements.into(), blobs: None })
    }

    /// Validates a whole array and takes what is between its brackets.
    ///
    /// # Errors
    /// It is not a JSON array, or nests too deep.
    pub fn from_array(array: &ByteString) -> Result<Self, JsonError> {
        json::validate(array)?;
        Self::from_valid_array(array).ok_or(JsonError::new(0, "expected an array"))
    }

    /// Takes what is between the brackets of `value`, which is a part of JSON that was validated
    /// before ([`json::members`], [`json::elements`]). `None` if it is no array.
    pub fn from_valid_array(value: &ByteString) -> Option<Self> {
        let inner = value.trim_ascii().strip_prefix('[')?.strip_suffix(']')?;
        Some(Self { elements: value.slice_ref(inner.trim_ascii()).into(), blobs: None })
    }

    /// One argument, which is a part of JSON that was validated before.
    pub fn from_valid_element(value: ByteString) -> Self {
        Self { elements: value.slice_ref(value.trim_ascii()).into(), blobs: None }
    }

    /// One argument: a string. Its JSON is made when it is asked for.
    pub fn from_text(text: impl Into<ByteString>) -> Self {
        let text = Text { text: text.into(), json: OnceLock::new() };
        Self { elements: Elements::Text(Arc::new(text)), blobs: None }
    }

    /// One argument: a byte string.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self {
            elements: ByteString::from_static("null").into(),
            blobs: Some(Arc::new([Blob { at: 0, bytes }])),
        }
    }

    /// Elements, each of whose `blobs` stands for a `null`.
    ///
    /// # Errors
    /// The elements are not valid JSON, or a blob does not stand at a `null`, or the blobs are not
    /// in ascending order.
    pub fn with_blobs(elements: ByteString, blobs: Vec<Blob>) -> Result<Self, JsonError> {
        let mut args = Self::from_elements(elements)?;
        let mut free_from = 0;
        for blob in &blobs {
            let between = args.json().get(free_from..blob.at);
            let is_free = between.is_some_and(ends_outside_strings);
            if !is_free || !stands_at_null(args.json(), blob.at) {
                return Err(JsonError::new(blob.at, "no place for a byte string"));
            }
            free_from = blob.at.saturating_add(4);
        }
        if !blobs.is_empty() {
            args.blobs = Some(blobs.into());
        }
        Ok(args)
    }

    /// The elements, with a `null` for each byte string.
    pub fn json(&self) -> &ByteString {
        match &self.elements {
            Elements::Json(json) => json,
            Elements::Text(text) => text.json.get_or_init(|| json::quote(&text.text)),
        }
    }

    /// The text, if this is one argument that was made by [`Args::from_text`].
    pub fn as_text(&self) -> Option<&ByteString> {
        match &self.elements {
            Elements::Json(_) => None,
            Elements::Text(text) => Some(&text.text),
        }
    }

    /// About how many bytes its JSON and its byte strings have, without making the JSON.
    pub fn size_hint(&self) -> usize {
        let blobs: usize = self.blobs().iter().map(|blob| blob.bytes.len()).sum();
        match &self.elements {
            Elements::Json(json) => json.len().saturating_add(blobs),
            Elements::Text(text) => text.text.len().saturating_add(2),
        }
    }

    /// The same in memory of its own: to be kept for long, since a slice would keep all of what
    /// it was read into.
    pub fn detached(&self) -> Self {
        if let Some(text) = self.as_text() {
            return Self::from_text(ByteString::from(&**text));
        }
        let detach = |blob: &Blob| Blob { at: blob.at, bytes: Bytes::copy_from_slice(&blob.bytes) };
        let blobs = self.blobs.as_ref().map(|blobs| blobs.iter().map(detach).collect());
        Self { elements: ByteString::from(&**self.json()).into(), blobs }
    }

    /// The byte strings, in the order in which they stand.
    pub fn blobs(&self) -> &[Blob] {
        self.blobs.as_deref().unwrap_or_default()
    }

    /// Whether there are no arguments.
    pub fn is_empty(&self) -> bool {
        self.as_text().is_none() && self.json().trim_ascii().is_empty()
    }

    /// How many arguments there are. Counts them: linear in their length.
    pub fn len(&self) -> usize {
        self.as_text().map_or_else(|| json::elements(self.json()).count(), |_| 1)
    }

    /// The argument with this index.
    pub fn get(&self, index: usize) -> Option<Self> {
        self.iter().nth(index)
    }

    /// The arguments, one at a time, each as [`Args`] of one.
    pub fn iter(&self) -> impl Iterator<Item = Self> + '_ {
        let text = self.as_text().map(|_| self.clone());
        let elements = text.is_none().then(|| json::elements(self.json()));
        text.into_iter().chain(elements.into_iter().flatten().map(|element| self.part(element)))
    }

    /// All arguments but the first `count`.
    pub fn skip(&self, count: usize) -> Self {
        let json = self.json();
        match json::elements(json).nth(count) {
            Some(first) => {
                let rest = json.get(place_in(json, first)..).unwrap_or_default();
                self.part(rest)
            }
            None => Self::default(),
        }
    }

    /// The part of the arguments that `slice`, a slice of their JSON, spans.
    fn part(&self, slice: &str) -> Self {
        let start = place_in(self.json(), slice);
        let end = start.saturating_add(slice.len());
        // They stand in order, so that all parts together look at each of them a few times only.
        let index = |at| self.blobs().partition_point(|blob| blob.at < at);
        let inside = self.blobs().get(index(start)..index(end)).unwrap_or_default();
        let blobs: Vec<Blob> = inside
            .iter()
            .map(|blob| Blob { at: blob.at.saturating_sub(start), bytes: blob.bytes.clone() })
            .collect();
        let blobs = (!blobs.is_empty()).then(|| blobs.into());
        Self { elements: self.json().slice_ref(slice).into(), blobs }
    }

    /// The bytes, if this is one argument and a byte string.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self.blobs() {
            [blob] if blob.at == 0 && self.json().len() == 4 => Some(&blob.bytes),
            _ => None,
        }
    }

    /// Writes the elements with `write_blob` called, in order, where a byte string stands.
    pub fn write_with(
        &self,
        out: &mut BytesMut,
        mut write_blob: impl FnMut(&mut BytesMut, usize, &Bytes),
    ) {
        let json = self.json().as_bytes();
        let mut done = 0;
        for (index, blob) in self.blobs().iter().enumerate() {
            out.extend_from_slice(json.get(done..blob.at).unwrap_or_default());
            write_blob(out, index, &blob.bytes);
            done = blob.at.saturating_add(4);
        }
        out.extend_from_slice(json.get(done..).unwrap_or_default());
    }

    /// Writes the elements with byte strings as base64 strings (RFC 4648, section 4).
    pub fn write_base64(&self, out: &mut BytesMut) {
        self.write_with(out, |out, _, bytes| {
            let text = STANDARD.encode(bytes);
            out.reserve(text.len().saturating_add(2));
            out.extend_from_slice(b"\"");
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\"");
        });
    }

    /// The elements with byte strings as base64 strings; copies only if there are any.
    pub fn to_base64_json(&self) -> ByteString {
        if self.blobs.is_none() {
            return self.json().clone();
        }
        let mut out = BytesMut::with_capacity(self.json().len());
        self.write_base64(&mut out);
        json::into_text(out)
    }
}

impl PartialEq for Args {
    fn eq(&self, other: &Self) -> bool {
        let same = match (self.as_text(), other.as_text()) {
            (Some(own), Some(others)) => own == others,
            _ => self.json() == other.json(),
        };
        same && self.blobs() == other.blobs()
    }
}

impl Eq for Args {}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Args").field("json", self.json()).field("blobs", &self.blobs()).finish()
    }
}

/// How far into a text a slice of it begins.
fn place_in(text: &str, slice: &str) -> usize {
    (slice.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// Whether a part of valid JSON that begins outside of its strings ends there too.
fn ends_outside_strings(part: &str) -> bool {
    let (mut bytes, mut is_inside) = (part.bytes(), false);
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_inside = !is_inside,
            // Only strings have escapes: what follows is no quote.
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    !is_inside
}

/// Whether a whole `null` begins at `at`, which is in no string.
fn stands_at_null(json: &str, at: usize) -> bool {
    let Some((before, rest)) = json.split_at_checked(at) else { return false };
    let after = rest.strip_prefix("null").map(str::trim_ascii_start);
    let opens = matches!(before.trim_ascii_end().bytes().last(), None | Some(b',' | b'[' | b':'));
    let closes =
        matches!(after.map(|rest| rest.bytes().next()), Some(None | Some(b',' | b']' | b'}')));
    opens && closes
}

#[cfg(test)]
mod tests;
