//! Arguments, between handlers' types and the JSON and bytes that protocols carry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use omniwire_session::json;
use omniwire_session::{Args as RawArgs, Blob, ByteString};
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::fmt;
use std::io;

/// Why arguments could not be turned into a handler's types, or back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ArgsError(pub(crate) String);

impl ArgsError {
    /// For implementations of [`FromArgs`] and [`IntoArgs`].
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Types that the arguments of an event can be read into: tuples of `Deserialize` types, and
/// [`RawArgs`] for all of them as they are.
#[diagnostic::on_unimplemented(
    note = "arguments are a tuple of types that implement `Deserialize`: `({Self},)` for one"
)]
pub trait FromArgs: Sized {
    /// How many arguments there are, if that is fixed. Protocols that count arguments (SignalR)
    /// then refuse calls with fewer or more.
    const COUNT: Option<usize> = None;

    /// Reads them.
    ///
    /// # Errors
    /// There are fewer or more arguments than wanted, or one is of another type. Absent arguments
    /// at the end are taken for `null`, so an `Option` can be left out.
    fn from_args(args: &RawArgs) -> Result<Self, ArgsError>;
}

/// Types that can be the arguments of an event: tuples of `Serialize` types (one element: `(x,)`),
/// [`RawArgs`], and one bare [`Binary`], string or number; [`Json`] for one other value.
#[diagnostic::on_unimplemented(
    note = "one value that implements `Serialize` is said as `Json(value)` or `(value,)`"
)]
pub trait IntoArgs {
    /// Writes them.
    ///
    /// # Errors
    /// A value can't be said in JSON.
    fn into_args(self) -> Result<RawArgs, ArgsError>;
}

impl FromArgs for RawArgs {
    fn from_args(args: &RawArgs) -> Result<Self, ArgsError> {
        Ok(args.clone())
    }
}

impl IntoArgs for RawArgs {
    fn into_args(self) -> Result<RawArgs, ArgsError> {
        Ok(self)
    }
}

impl IntoArgs for () {
    fn into_args(self) -> Result<RawArgs, ArgsError> {
        Ok(RawArgs::default())
    }
}

impl FromArgs for () {
    const COUNT: Option<usize> = Some(0);

    fn from_args(args: &RawArgs) -> Result<Self, ArgsError> {
        expect_count(args, 0)
    }
}

/// One argument, by itself. A tuple means several; this is for everything else.
macro_rules! one_argument {
    ($($type:ty),* $(,)?) => {$(
        impl IntoArgs for $type {
            fn into_args(self) -> Result<RawArgs, ArgsError> {
                (self,).into_args()
            }
        }
    )*};
}
one_argument!(
    bool,
    i8,
    i16,
    i32,
    i64,
    u8,
    u16,
    u32,
    u64,
    usize,
    isize,
    f32,
    f64,
    Raw,
    &Raw,
    Binary,
    serde_json::Value,
    &serde_json::Value,
);

/// One string: a raw WebSocket never makes JSON of it.
macro_rules! one_text {
    ($($type:ty),* $(,)?) => {$(
        impl IntoArgs for $type {
            fn into_args(self) -> Result<RawArgs, ArgsError> {
                Ok(RawArgs::from_text(self))
            }
        }
    )*};
}
one_text!(&str, String, ByteString);

impl IntoArgs for &String {
    fn into_args(self) -> Result<RawArgs, ArgsError> {
        self.as_str().into_args()
    }
}

impl<T: Serialize> IntoArgs for Vec<T> {
    fn into_args(self) -> Result<RawArgs, ArgsError> {
        (self,).into_args()
    }
}

impl<T: Serialize> IntoArgs for Option<T> {
    fn into_args(self) -> Result<RawArgs, ArgsError> {
        (self,).into_args()
    }
}

/// One argument of any `Serialize` type.
///
/// ```
/// # use omniwire::{Json, IntoArgs};
/// #[derive(serde::Serialize)]
/// struct Point { x: i32, y: i32 }
/// assert_eq!(Json(Point { x: 1, y: 2 }).into_args().unwrap().json(), r#"{"x":1,"y":2}"#);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoArgs for Json<T> {
    fn into_args(self) -> Result<RawArgs, ArgsError> {
        (self.0,).into_args()
    }
}

macro_rules! tuples {
    ($(($count:literal: $($name:ident . $index:tt),+)),+ $(,)?) => {$(
        impl<$($name: DeserializeOwned),+> FromArgs for ($($name,)+) {
            const COUNT: Option<usize> = Some($count);

            fn from_args(args: &RawArgs) -> Result<Self, ArgsError> {
                expect_count(args, $count)?;
                let mut given = args.iter();
                Ok(($(read::<$name>(given.next(), $index)?,)+))
            }
        }

        impl<$($name: Serialize),+> IntoArgs for ($($name,)+) {
            fn into_args(self) -> Result<RawArgs, ArgsError> {
                let mut writer = Writer::default();
                $(
                    if $index > 0 {
                        writer.json.extend_from_slice(b",");
                    }
                    writer = writer.write(&self.$index)?;
                )+
                writer.finish()
            }
        }
    )+};
}
tuples!(
    (1: A.0),
    (2: A.0, B.1),
    (3: A.0, B.1, C.2),
    (4: A.0, B.1, C.2, D.3),
    (5: A.0, B.1, C.2, D.3, E.4),
    (6: A.0, B.1, C.2, D.3, E.4, F.5),
);

fn expect_count(args: &RawArgs, wanted: usize) -> Result<(), ArgsError> {
    let given = args.len();
    if given <= wanted {
        return Ok(());
    }
    Err(ArgsError(format!("{given} argument(s) given, {wanted} expected")))
}

fn read<T: DeserializeOwned>(arg: Option<RawArgs>, index: usize) -> Result<T, ArgsError> {
    if let Some(text) = arg.as_ref().and_then(RawArgs::as_text) {
        let text: &str = text;
        let deserializer: StrDeserializer<'_, serde_json::Error> = text.into_deserializer();
        // What is no string by itself may still be made of one's JSON, or says why not.
        if let Ok(value) = T::deserialize(deserializer) {
            return Ok(value);
        }
    }
    let json = arg.as_ref().map_or(ByteString::from_static("null"), RawArgs::to_base64_json);
    let number = index.saturating_add(1);
    parse(&json).map_err(|error| match arg {
        Some(_) => ArgsError(format!("argument {number}: {error}")),
        None => ArgsError(format!("argument {number} is missing")),
    })
}

/// Reads one JSON value. A lone surrogate, which no Rust string can hold, becomes U+FFFD, rather
/// than an error as serde_json would have it; [`Raw`] keeps it.
pub(crate) fn parse<T: DeserializeOwned>(json: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(json).or_else(|error| match without_lone_surrogates(json) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Err(error),
    })
}

/// The same JSON with `\ufffd` for each escaped lone surrogate; `None` if there is none.
fn without_lone_surrogates(json: &str) -> Option<String> {
    let mut out = String::with_capacity(json.len());
    let (mut rest, mut found) = (json, false);
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let unit = |from: usize| u16::from_str_radix(escape.get(from..)?.get(..4)?, 16).ok();
        let code = escape.starts_with('u').then(|| unit(1)).flatten();
        let paired = escape.get(5..7) == Some("\\u")
            && matches!((code, unit(7)), (Some(0xd800..0xdc00), Some(0xdc00..0xe000)));
        let len = match code {
            _ if paired => 11,
            Some(0xd800..0xe000) => {
                found = true;
                out.push_str("\\ufffd");
                rest = escape.get(5..)?;
                continue;
            }
            Some(_) => 5,
            None => escape.chars().next()?.len_utf8(),
        };
        out.push('\\');
        out.push_str(escape.get(..len)?);
        rest = escape.get(len..)?;
    }
    out.push_str(rest);
    found.then_some(out)
}

/// One argument as it came, unread: relaying it copies nothing and damages nothing (not even a
/// lone surrogate). Byte strings inside it become base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(ByteString);

impl Raw {
    /// The JSON.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is of another type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        parse(&self.0).map_err(|error| ArgsError(error.to_string()))
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(String::from(Box::<str>::from(raw)).into()))
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// One argument as it came, byte strings included, to be said again at any depth of others:
/// relaying it copies nothing and damages nothing. No argument is said as `null`; of several, the
/// first.
///
/// ```
/// # use omniwire::{IntoArgs, RawArgs, Relayed};
/// # #[derive(serde::Serialize)]
/// # struct Answer { list: Vec<Relayed> }
/// let came = RawArgs::from_elements(r#"1,{"a":[]}"#.into()).unwrap();
/// let answer = Answer { list: came.iter().map(Relayed).collect() };
/// assert_eq!((answer,).into_args().unwrap().json(), r#"{"list":[1,{"a":[]}]}"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Relayed(pub RawArgs);

impl Serialize for Relayed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(first) = self.0.get(0) else { return serializer.serialize_unit() };
        let kept = MET.with_borrow_mut(|met| {
            let Some(met) = met else { return false };
            let start = WRITTEN.with_borrow(|written| *written);
            let blobs = first.blobs().iter();
            met.extend(
                blobs.map(|b| Blob { at: start.saturating_add(b.at), bytes: b.bytes.clone() }),
            );
            true
        });
        let json = if kept { first.json().clone() } else { first.to_base64_json() };
        let raw = serde_json::from_str::<&RawValue>(&json).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// A byte string, at any depth of an argument: a Socket.IO attachment, MessagePack bin, a binary
/// frame; base64 where the protocol has only JSON, and read from base64 there.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Binary(pub Bytes);

impl fmt::Debug for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binary({} bytes)", self.0.len())
    }
}

thread_local! {
    /// Byte strings met while arguments are being written, with their places.
    static MET: RefCell<Option<Vec<Blob>>> = const { RefCell::new(None) };
    /// How much has been written.
    static WRITTEN: RefCell<usize> = const { RefCell::new(0) };
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kept = MET.with_borrow_mut(|met| {
            let Some(met) = met else { return false };
            let at = WRITTEN.with_borrow(|written| *written);
            met.push(Blob { at, bytes: self.0.clone() });
            true
        });
        if kept {
            serializer.serialize_unit()
        } else {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        }
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(|_| D::Error::custom("expected base64"))?;
        Ok(Self(bytes.into()))
    }
}

#[derive(Default)]
struct Writer {
    json: BytesMut,
    blobs: Vec<Blob>,
}

impl Writer {
    fn write<T: Serialize>(mut self, value: &T) -> Result<Self, ArgsError> {
        MET.set(Some(std::mem::take(&mut self.blobs)));
        WRITTEN.set(self.json.len());
        let result = serde_json::to_writer(&mut self, value);
        self.blobs = MET.take().unwrap_or_default();
        result.map_err(|error| ArgsError(error.to_string()))?;
        Ok(self)
    }

    fn finish(self) -> Result<RawArgs, ArgsError> {
        RawArgs::with_blobs(json::into_text(self.json), self.blobs)
            .map_err(|error| ArgsError(error.to_string()))
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.json.extend_from_slice(bytes);
        WRITTEN.set(self.json.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
