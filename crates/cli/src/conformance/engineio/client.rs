//! `--suite engineio-client`: what the own suite of npm's `engine.io-client` wants of the server in
//! its `test/support`.

use crate::conformance::{Basis, Site};
use crate::mistake::Mistake;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use omniwire::protocols::engineio::Config;
use omniwire::{
    Args, ArgsError, Binary, Denied, EmitError, EngineIoMount, Limits, Namespace, Peer, RawArgs,
    RequestInfo,
};
use std::collections::BTreeMap;
use std::future::ready;
use std::time::Duration;

const COOKIES: [&str; 4] = [
    "1=1; Max-Age=86400",
    "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
    "3=3; Max-Age=0",
    "4=4; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
];

tokio::task_local! {
    /// The headers of the POST whose messages are being handled.
    static POSTED: BTreeMap<String, String>;
}

pub(in crate::conformance) fn site(basis: &Basis) -> Result<Site, Mistake> {
    let namespace = Namespace::new("/")
        .authorize(authorize)
        .on_connect(|peer: Peer| ready(peer.emit("message", "hi")))
        .on("message", |peer: Peer, Args(args): Args<RawArgs>| ready(answer(&peer, args)));
    let config =
        Config { ping_interval: Duration::from_millis(500), max_payload: 100, ..Config::default() };
    let mount = EngineIoMount::new("/").config(config).on_initial_headers(|_, headers| {
        for cookie in COOKIES {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
    });
    let omniwire = basis
        .builder(Limits::default())?
        .without_socketio()
        .bare_namespace(namespace)
        .mount("/engine.io", mount)
        .build()?;
    let around = |site: axum::Router| site.layer(from_fn(noting_headers));
    Ok(Site { around, ..Site::new(omniwire) })
}

fn authorize(request: &RequestInfo) -> Result<(), Denied> {
    match request.query_value("deny") {
        Some(_) => Err(Denied::forbidden("Forbidden")),
        None => Ok(()),
    }
}

/// Handlers run within the request that brought the message, as far as they do not wait.
async fn noting_headers(request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let headers = texts(request.headers());
    POSTED.scope(headers, next.run(request)).await
}

fn texts(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn answer(peer: &Peer, message: RawArgs) -> Result<(), EmitError> {
    match message.as_text().map(|text| &**text) {
        Some("give binary") => peer.emit("message", Binary(vec![0, 1, 2, 3, 4].into())),
        Some("give utf8") => peer.emit("message", "пойду спать всем спокойной ночи"),
        Some("sendHeaders") => {
            let headers = POSTED.try_with(serde_json::to_string).ok().and_then(Result::ok);
            let headers = headers.ok_or_else(|| ArgsError::new("this came by no POST"))?;
            peer.emit("message", headers)
        }
        _ => peer.emit("message", message),
    }
}
