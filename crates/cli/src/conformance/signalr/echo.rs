//! Methods that give back, compute, wait and fail.

use omniwire::{Args, ArgsError, Binary, Failure, FromArgs, Json, Namespace, Peer, RawArgs, Reply};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// The longest text that [`big_string`] makes.
const TEXT_LEN_MAX: usize = 32 << 20;

pub(super) fn add(namespace: Namespace) -> Namespace {
    namespace
        .on("Echo", same::<Option<String>>)
        .on("EchoAny", same::<IgnoredAny>)
        .on("EchoLong", same::<i64>)
        .on("EchoDouble", |Args((value,)): Args<(f64,)>| async move { Reply(value) })
        .on("EchoBool", same::<bool>)
        .on("EchoInts", same::<Option<Vec<i32>>>)
        .on("EchoBytes", same::<Option<Binary>>)
        .on("EchoDate", same::<Date>)
        .on("EchoThing", |Args((thing,)): Args<(Option<Thing>,)>| async move { Reply(Json(thing)) })
        .on("Add", |Args((a, b)): Args<(i32, i32)>| async move { Reply(a.wrapping_add(b)) })
        .on("ReturnNull", |_: Args<()>| async { Reply(None::<String>) })
        .on("ReturnVoid", |_: Args<()>| async {})
        .on("ReturnTask", |_: Args<()>| tokio::task::yield_now())
        .on(
            "Length",
            |Args((text,)): Args<(String,)>| async move { Reply(text.encode_utf16().count()) },
        )
        .on("BigString", big_string)
        .on("DelayedEcho", delayed_echo)
        .on("ThrowHubException", |Args((text,)): Args<(String,)>| async move {
            Err::<(), _>(Failure::client(text))
        })
        .on("ThrowOther", |Args((text,)): Args<(String,)>| async move {
            Err::<(), _>(InvalidOperation(text))
        })
}

/// One argument that is a `T`, and goes back as it came: not even a lone surrogate is lost.
struct Same<T>(RawArgs, PhantomData<fn() -> T>);

impl<T: DeserializeOwned> FromArgs for Same<T> {
    const COUNT: Option<usize> = Some(1);

    fn from_args(args: &RawArgs) -> Result<Self, ArgsError> {
        let _: (T,) = FromArgs::from_args(args)?;
        Ok(Self(args.clone(), PhantomData))
    }
}

async fn same<T: DeserializeOwned>(Args(Same(args, _)): Args<Same<T>>) -> Reply<RawArgs> {
    Reply(args)
}

/// A text that begins as dates in ISO 8601 do; MessagePack's timestamps come as such.
struct Date;

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let pattern = "dddd-dd-dd";
        let fits = |(octet, kind): (u8, u8)| match kind {
            b'd' => octet.is_ascii_digit(),
            kind => octet == kind,
        };
        match text.len() >= pattern.len() && text.bytes().zip(pattern.bytes()).all(fits) {
            true => Ok(Self),
            false => Err(serde::de::Error::custom("expected a date")),
        }
    }
}

/// As in .NET, the JSON of clients may also spell members as C# does.
#[derive(Deserialize, Serialize)]
struct Thing {
    #[serde(alias = "Name")]
    name: Option<String>,
    #[serde(alias = "Count")]
    count: Option<i32>,
    #[serde(alias = "Flag")]
    flag: Option<bool>,
    #[serde(alias = "Ratio")]
    ratio: Option<f64>,
    #[serde(alias = "Items")]
    items: Option<Vec<i32>>,
    #[serde(alias = "Nested")]
    nested: Option<Nested>,
    #[serde(alias = "Missing")]
    missing: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Nested {
    #[serde(alias = "Key")]
    key: Option<String>,
    #[serde(alias = "Blob")]
    blob: Option<Binary>,
}

async fn big_string(Args((count,)): Args<(i32,)>) -> Result<Reply<String>, InvalidOperation> {
    match usize::try_from(count) {
        Ok(count) if count <= TEXT_LEN_MAX => Ok(Reply("x".repeat(count))),
        _ => Err(InvalidOperation(format!("{count} is out of range"))),
    }
}

/// Looks now and then whether somebody still waits: a peer may ask for weeks, and go.
async fn delayed_echo(
    peer: Peer,
    Args((text, ms)): Args<(Option<String>, u32)>,
) -> Reply<Option<String>> {
    let mut left = Duration::from_millis(ms.into());
    while !left.is_zero() && peer.is_connected() {
        let pause = left.min(Duration::from_secs(1));
        tokio::time::sleep(pause).await;
        left = left.saturating_sub(pause);
    }
    Reply(text)
}

/// An error that is not for clients, which goes by its name in .NET where they may see it.
#[derive(Debug)]
pub(super) struct InvalidOperation(pub(super) String);

impl fmt::Display for InvalidOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InvalidOperationException: {}", self.0)
    }
}

impl std::error::Error for InvalidOperation {}
