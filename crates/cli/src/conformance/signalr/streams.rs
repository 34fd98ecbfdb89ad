//! Streams either way.

use super::world;
use futures_util::stream::{self, Empty};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use omniwire::{Args, Failure, Namespace, Reply, Streaming, TryStreaming, Upload};
use std::time::Duration;

pub(super) fn add(namespace: Namespace) -> Namespace {
    namespace
        .on("Counter", |Args((n, ms)): Args<(i32, u64)>| async move {
            Streaming(count(ms).take(usize::try_from(n).unwrap_or(0)))
        })
        .on("CounterThrow", counter_throw)
        .on("StreamThrowsAtOnce", |Args((text,)): Args<(String,)>| async move {
            Err::<Streaming<Empty<i32>>, _>(Failure::client(text))
        })
        .on("Infinite", |Args((key, ms)): Args<(String, u64)>| async move {
            let alive = world::Alive::new(key);
            Streaming(count(ms).inspect(move |_| {
                let _ = &alive;
            }))
        })
        .on(
            "IsStreamAlive",
            |Args((key,)): Args<(String,)>| async move { Reply(world::is_alive(&key)) },
        )
        .on(
            "UploadSum",
            |_: Args<()>, items: Upload<i32>| async move { sum(items).await.map(Reply) },
        )
        .on("UploadConcat", |Args((start,)): Args<(String,)>, items: Upload<String>| async move {
            concat(start, items).await.map(Reply)
        })
        .on("UploadTwo", |_: Args<()>, numbers: Upload<i32>, texts: Upload<String>| async move {
            let (sum, text) = tokio::try_join!(sum(numbers), concat(String::new(), texts))?;
            Ok::<_, Failure>(Reply(format!("{sum}|{text}")))
        })
        .on("UploadFirst", upload_first)
        .on("UploadOutcome", |_: Args<()>, items: Upload<i32>| async move {
            Reply(match sum(items).await {
                Ok(_) => "done".into(),
                Err(failure) => format!("failed: {failure:?}"),
            })
        })
        .on("EchoStream", |_: Args<()>, items: Upload<String>| async move {
            TryStreaming(items.map_ok(|item| format!("echo:{item}")))
        })
}

/// 0, 1, 2, ..., each after so many milliseconds.
fn count(ms: u64) -> impl Stream<Item = i32> + Send {
    stream::iter(0..).then(move |number| async move {
        match ms {
            0 => tokio::task::yield_now().await,
            ms => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
        number
    })
}

async fn counter_throw(
    Args((n, text)): Args<(i32, String)>,
) -> TryStreaming<impl Stream<Item = Result<i32, Failure>>> {
    let end = stream::once(async { Err(Failure::client(text)) });
    TryStreaming(stream::iter((0..n).map(Ok)).chain(end))
}

async fn sum(items: Upload<i32>) -> Result<i64, Failure> {
    items.try_fold(0, |sum, item| async move { Ok(sum + i64::from(item)) }).await
}

pub(super) async fn concat(start: String, items: Upload<String>) -> Result<String, Failure> {
    items.try_fold(start, |text, item| async move { Ok(text + &item) }).await
}

async fn upload_first(_: Args<()>, mut items: Upload<i32>) -> Result<Reply<i32>, Failure> {
    match items.next().await {
        Some(first) => first.map(Reply),
        None => Err(Failure::client("the stream was empty")),
    }
}
