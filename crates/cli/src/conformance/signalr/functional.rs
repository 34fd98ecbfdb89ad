//! What Microsoft's functional tests of their TypeScript client ask of a server, by their names, so
//! that these tests too may be turned on it: hubs, a negotiate that redirects, cookies, tokens.

use super::echo::InvalidOperation;
use super::{Hub, user};
use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Json as Body, Router};
use futures_util::stream;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use omniwire::protocols::signalr::Config;
use omniwire::{
    Args, Binary, Failure, Json, Namespace, NamespaceHandle, Negotiation, Peer, Reply, RequestInfo,
    SignalRMount, Streaming, Timestamp, TryStreaming, Upload,
};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// The hub of most tests.
pub(super) const HUB: &str = "/testhub";

pub(super) fn hubs() -> Vec<Hub> {
    let mut without_sockets = hub("/testhub-nowebsockets");
    without_sockets.config.transports.web_sockets = false;
    let mut authorized = hub("/authorizedhub");
    authorized.namespace = authorized.namespace.authorize(user::required);
    let mut uncreatable = hub("/uncreatable");
    uncreatable.namespace = uncreatable.namespace.on_connect(|| async {
        let why = "Unable to resolve service for type 'System.Object' while attempting to \
                   activate 'FunctionalTests.UncreatableHub'.";
        Err::<(), _>(InvalidOperation(why.into()))
    });
    vec![hub(HUB), without_sockets, authorized, uncreatable]
}

fn hub(name: &'static str) -> Hub {
    let namespace = with_streams(with_methods(Namespace::new(name).identify(user::of)));
    let config = Config { detailed_errors: true, ..Config::default() };
    Hub { name, namespace: namespace.detailed_errors(true), config, parallel_max: 1 }
}

/// Sends each client on to [`HUB`] at `baseUrl`, and counts them.
pub(super) fn redirecting() -> SignalRMount {
    static REDIRECTS: AtomicUsize = AtomicUsize::new(0);
    SignalRMount::new(HUB).on_negotiate(|request: &RequestInfo| {
        let base = request.query_value("baseUrl").unwrap_or_default();
        let number = REDIRECTS.fetch_add(1, Ordering::Relaxed) + 1;
        let url = format!("{base}{HUB}?numRedirects={number}");
        Negotiation::Redirect { url, access_token: None }
    })
}

#[derive(Clone, Serialize, Deserialize)]
struct CustomObject {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Value")]
    value: i32,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ComplexObject {
    byte_array: Option<Binary>,
    date_time: Timestamp,
    #[serde(rename = "GUID")]
    guid: String,
    int_array: Option<Vec<i32>>,
    string: Option<String>,
}

fn with_methods(namespace: Namespace) -> Namespace {
    namespace
        .on("Echo", |Args((text,)): Args<(String,)>| async move { Reply(text) })
        .on("GetCallerConnectionId", |peer: Peer, _: Args<()>| async move {
            Reply(peer.id().to_owned())
        })
        .on("GetNumRedirects", |peer: Peer, _: Args<()>| async move {
            let count = peer.request().query_value("numRedirects");
            Reply(count.and_then(|count| count.parse::<i32>().ok()).unwrap_or(0))
        })
        .on("ThrowException", |Args((text,)): Args<(String,)>| async move {
            Err::<(), _>(InvalidOperation(text))
        })
        .on("InvokeWithString", |peer: Peer, Args((text,)): Args<(String,)>| async move {
            peer.namespace().to(peer.id()).emit("Message", (text,)).await.map(|_| ())
        })
        .on("SendCustomObject", |peer: Peer, Args((object,)): Args<(CustomObject,)>| async move {
            peer.emit("CustomObject", Json(object))
        })
        .on("EchoComplexObject", |Args((object,)): Args<(ComplexObject,)>| async move {
            Reply(Json(object))
        })
        .on("SendComplexObject", |_: Args<()>| async { Reply(Json(complex())) })
        .on(
            "GetActiveTransportName",
            |peer: Peer, _: Args<()>| async move { Reply(peer.transport()) },
        )
        .on("GetContentTypeHeader", |peer: Peer, _: Args<()>| async move {
            Reply(header_of(&peer, "content-type"))
        })
        .on("GetHeader", |peer: Peer, Args((name,)): Args<(String,)>| async move {
            Reply(header_of(&peer, &name))
        })
        .on("GetCookie", |peer: Peer, Args((name,)): Args<(String,)>| async move {
            let cookies = header_of(&peer, "cookie").unwrap_or_default();
            let pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
            let found = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
            Reply(found.last())
        })
}

fn with_streams(namespace: Namespace) -> Namespace {
    namespace
        .on("Stream", |_: Args<()>| async { Streaming(stream::iter(["a", "b", "c"])) })
        .on("EmptyStream", |_: Args<()>| async { Streaming(stream::empty::<i32>()) })
        .on("InfiniteStream", |peer: Peer, _: Args<()>| async move {
            let told = Canceled(peer);
            Streaming(stream::unfold(told, |told| async move {
                std::future::pending::<()>().await;
                Some((0, told))
            }))
        })
        .on("StreamThrowException", |Args((text,)): Args<(String,)>| async move {
            let failed = Failure::from(std::io::Error::other(format!("Exception: {text}")));
            TryStreaming(stream::iter([Err::<i32, _>(failed)]))
        })
        .on("StreamingConcat", |_: Args<()>, texts: Upload<String>| async move {
            super::streams::concat(String::new(), texts).await.map(Reply)
        })
}

/// Tells its client when it is dropped: the stream was cancelled.
struct Canceled(Peer);

impl Drop for Canceled {
    fn drop(&mut self) {
        // One that is gone needs no telling.
        self.0.emit("StreamCanceled", ()).ok();
    }
}

fn complex() -> ComplexObject {
    ComplexObject {
        byte_array: Some(Binary(vec![1, 2, 3].into())),
        // 2000-01-01T12:34:56Z
        date_time: Timestamp(UNIX_EPOCH + Duration::from_secs(946_730_096)),
        guid: "00010203-0405-0607-0706-050403020100".into(),
        int_array: Some(vec![1, 2, 3]),
        string: Some("hello world".into()),
    }
}

fn header_of(peer: &Peer, name: &str) -> Option<String> {
    peer.request().header(name).map(str::to_owned)
}

/// What is there beside the hubs.
pub(super) fn router(hub: NamespaceHandle) -> Router {
    Router::new()
        .route("/generateJwtToken", get(|| async { "token-somebody" }))
        .route("/clientresult/{id}", get(client_result))
        .route("/deployment", any(|| async {}))
        .route("/bad-negotiate/negotiate", post(bad_negotiate))
        .with_state(hub)
}

async fn bad_negotiate() -> (StatusCode, &'static str) {
    (StatusCode::BAD_REQUEST, "Some response from server")
}

async fn client_result(
    State(hub): State<NamespaceHandle>,
    Path(id): Path<String>,
) -> Result<Body<i32>, (StatusCode, String)> {
    let Some(peer) = hub.peer(&id) else { return Err((StatusCode::NOT_FOUND, String::new())) };
    let answer = peer.ask::<(i32,)>("Result", (), Duration::from_secs(10)).await;
    let failed = |error: omniwire::AskError| (StatusCode::BAD_GATEWAY, error.to_string());
    answer.map(|(number,)| Body(number)).map_err(failed)
}

/// Every negotiate sets cookies, one of which has expired.
pub(super) async fn cookies(request: Request, next: Next) -> Response {
    let negotiates = request.uri().path().ends_with("/negotiate");
    let negotiates = negotiates && request.method() == Method::POST;
    let mut response = next.run(request).await;
    if negotiates {
        for cookie in [
            "testCookie=testValue; path=/",
            "testCookie2=testValue2; path=/",
            "expiredCookie=doesntmatter; expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/",
        ] {
            response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
    }
    response
}
