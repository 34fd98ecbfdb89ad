//! The notification hubs of a password manager: its clients speak MessagePack over WebSocket and
//! bring their access token in the query. Beside it is a hub for devices that have no token yet.
//!
//! `cargo run -p omniwire --example notifications -- 127.0.0.1:3001`, then
//! `POST /notify?user=ada&type=5` tells all of Ada's clients, and `POST /approve?request=R` the
//! device that waits for the answer to its request R.

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::post;
use http::StatusCode;
use omniwire::protocols::signalr::{Config, Transport, Transports};
use omniwire::{
    Audience, BuildError, Denied, JoinError, Namespace, NamespaceHandle, Omniwire, Origins, Peer,
    RequestInfo, SignalRMount, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::error::Error;
use tokio::net::TcpListener;

/// What clients hear, with the names that its members have in C#.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    context_id: Option<String>,
    #[serde(rename = "Type")]
    kind: i32,
    payload: Payload,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Payload {
    user_id: String,
    date: Timestamp,
}

/// Whose token it is. A real server checks a signed one.
fn user_of(request: &RequestInfo) -> Option<String> {
    let header = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = header.map(str::to_owned).or_else(|| request.query_value("access_token"))?;
    token.strip_prefix("token-of-").map(str::to_owned)
}

/// C#: `[Authorize] class NotificationsHub : Hub`.
fn notifications() -> Namespace {
    Namespace::new("/notifications").identify(user_of).authorize(|request| {
        user_of(request).map(drop).ok_or_else(|| Denied::unauthorized("no valid token"))
    })
}

/// C#: `[AllowAnonymous] class AnonymousNotificationsHub : Hub`. A device names the request whose
/// answer it waits for: that is its group.
fn anonymous() -> Namespace {
    Namespace::new("/anonymous").on_connect(|peer: Peer| async move {
        match peer.request().query_value("Token") {
            Some(request) => peer.join(group(&request)),
            None => Ok::<_, JoinError>(()),
        }
    })
}

/// Clients name it, so it must be nobody's connection id, which is a room too.
fn group(request: &str) -> String {
    format!("request:{request}")
}

fn hub(namespace: &str) -> SignalRMount {
    let transports = Transports::only(Transport::WebSockets);
    let config = Config { transports, ..Config::default() };
    // Browser extensions have origins of their own: here the token says who may come in.
    SignalRMount::new(namespace).config(config).origins(Origins::any())
}

fn build() -> Result<Omniwire, BuildError> {
    Omniwire::builder()
        .bare_namespace(notifications())
        .bare_namespace(anonymous())
        .mount("/notifications/hub", hub("/notifications"))
        .mount("/notifications/anonymous-hub", hub("/anonymous"))
        .build()
}

#[derive(Deserialize)]
struct Notify {
    user: String,
    #[serde(rename = "type")]
    kind: i32,
}

/// C#: `hubContext.Clients.User(id).SendAsync("ReceiveMessage", notification)`.
async fn notify(State(hub): State<NamespaceHandle>, Query(wish): Query<Notify>) -> StatusCode {
    let audience = hub.user(&wish.user);
    let payload = Payload { user_id: wish.user, date: Timestamp::now() };
    let notification = Notification { context_id: None, kind: wish.kind, payload };
    send(&audience, "ReceiveMessage", notification).await
}

#[derive(Deserialize)]
struct Approve {
    request: String,
}

/// C#: `hubContext.Clients.Group(request).SendAsync("AuthRequestResponseReceived", request)`.
async fn approve(State(hub): State<NamespaceHandle>, Query(wish): Query<Approve>) -> StatusCode {
    send(&hub.to(group(&wish.request)), "AuthRequestResponseReceived", wish.request).await
}

async fn send<T: Serialize>(audience: &Audience, method: &'static str, message: T) -> StatusCode {
    match audience.emit(method, (message,)).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let omniwire = build()?;
    let hub = |name: &str| omniwire.namespace(name).ok_or("no such hub");
    let app = Router::new()
        .route("/notify", post(notify).with_state(hub("/notifications")?))
        .route("/approve", post(approve).with_state(hub("/anonymous")?))
        .merge(omniwire.router());
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    omniwire::serve(listener, app, &omniwire, std::future::pending()).await?;
    Ok(())
}
