//! What the suite's server offers beside the hubs.

use super::send;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use omniwire::NamespaceHandle;
use serde::Deserialize;
use serde_json::Value;

pub(super) fn router(big: NamespaceHandle) -> Router {
    Router::new()
        .route("/bar/ready", get(|| async {}))
        .route("/bar/send", post(send_from_outside))
        .with_state(big)
}

#[derive(Deserialize)]
struct Message {
    to: Whom,
    #[serde(default)]
    name: String,
    tag: String,
    #[serde(default)]
    payload: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Whom {
    All,
    Group,
    User,
    Connection,
}

async fn send_from_outside(
    State(hub): State<NamespaceHandle>,
    Json(message): Json<Message>,
) -> Result<StatusCode, StatusCode> {
    let Message { to, name, tag, payload } = message;
    let audience = match to {
        Whom::All => hub.everybody(),
        Whom::Group => hub.to(send::group(&name)),
        Whom::User => hub.user(&name),
        Whom::Connection => hub.to(name),
    };
    let sent = audience.emit(send::RECEIVE, (tag, payload)).await;
    sent.map(|_| StatusCode::NO_CONTENT).map_err(|_| StatusCode::BAD_REQUEST)
}

/// Lets pages of any origin use it, as they may use the hubs.
pub(super) async fn any_page(request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = match is_preflight {
        true => Response::default(),
        false => next.run(request).await,
    };
    let headers = response.headers_mut();
    let Some(origin) = origin else { return response };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if is_preflight {
        let methods = HeaderValue::from_static("GET, POST, DELETE");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.extend(asked.map(|asked| (header::ACCESS_CONTROL_ALLOW_HEADERS, asked)));
    }
    response
}
