//! The demo's page, embedded when it was built.

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

/// Paths below the root, and their contents.
static PAGES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// What `/` says when the pages were not built.
const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>Omniwire</title>\
<body style=\"font:16px/1.5 system-ui;max-width:40em;margin:4em auto;padding:0 1em\">\
<h1>Omniwire is running</h1>\
<p>This binary was built without the demo's page. To build the page, and a server that has it:</p>\
<pre>cargo xtask demo</pre>\
<p>The chat itself is here all the same: <code>/ws/chat</code>, <code>/socket.io/</code>, \
<code>/signalr/chat</code>, <code>/sockjs/chat</code>, <code>/sse/chat</code>, \
<code>/poll/chat</code>.</p>";

/// Answers requests that are for no protocol.
pub(crate) async fn serve(request: Request<Body>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "method not allowed\n");
    }
    let path = match request.uri().path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    match PAGES.iter().find(|(name, _)| *name == path) {
        Some((name, content)) => {
            let mut response = answer(StatusCode::OK, content_type(name), *content);
            let caching = match name.starts_with("assets/") {
                // Their names change with their contents.
                true => "public, max-age=31536000, immutable",
                false => "no-cache",
            };
            let caching = HeaderValue::from_static(caching);
            response.headers_mut().insert(header::CACHE_CONTROL, caching);
            response
        }
        None if path == "index.html" => {
            answer(StatusCode::OK, "text/html; charset=utf-8", NOT_BUILT)
        }
        None => answer(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "not found\n"),
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "map") => "application/json",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
