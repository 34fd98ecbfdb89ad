//! Answers, and their headers.

use super::date::http_date;
use super::{Request, Service, TEXT};
use crate::dress::Dress;
use bytes::{Bytes, BytesMut};
use omniwire_session::{ByteString, json};

/// An answer, or the head of one. `Content-Length` and framing are the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers. Values come in part from the request's own headers, and go in none but the
    /// places where the protocol echoes them.
    pub headers: Vec<(&'static str, ByteString)>,
    /// The body.
    pub body: Bytes,
}

impl Response {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub(super) fn header(&mut self, name: &'static str, value: impl Into<ByteString>) {
        self.headers.push((name, value.into()));
    }

    pub(super) fn with_body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.header("Content-Type", ByteString::from_static(content_type));
        self.body = body.into();
        self
    }

    /// The value of a header that is set once.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    pub(super) fn text(status: u16, text: &'static str) -> Self {
        Self::new(status).with_body(TEXT, Bytes::from_static(text.as_bytes()))
    }

    pub(super) fn greeting() -> Self {
        Self::text(200, "Welcome to SockJS!\n")
    }

    /// 405, which has neither body nor type.
    pub(super) fn bad_method(allowed: &'static str) -> Self {
        let mut response = Self::new(405);
        response.header("Allow", ByteString::from_static(allowed));
        response
    }

    pub(super) fn preflight(
        service: &Service,
        request: &Request<'_>,
        methods: &'static str,
    ) -> Self {
        let mut response = Self::new(204);
        response.set_cookie(service, request);
        response.header("Cache-Control", format!("public, max-age={YEAR_S}"));
        response.header("Expires", http_date(request.now_unix.saturating_add(YEAR_S)));
        if service.cors {
            response.set_cors(request);
            response.header("Access-Control-Allow-Methods", ByteString::from_static(methods));
            response.header("Access-Control-Max-Age", YEAR_S.to_string());
        }
        response
    }

    pub(super) fn info_head(service: &Service, request: &Request<'_>) -> Self {
        let mut response = Self::new(200);
        if service.cors {
            response.set_cors(request);
        }
        response.set_no_cache();
        response.header("Content-Type", "application/json; charset=UTF-8");
        response
    }

    pub(super) fn chunking_test_head(service: &Service, request: &Request<'_>) -> Self {
        let mut response = Self::new(200);
        if service.cors {
            response.set_cors(request);
        }
        response.header("X-Accel-Buffering", "no");
        response.header("Content-Type", "application/javascript; charset=UTF-8");
        response
    }

    /// The answer to `/info`, with four random bytes: clients that have no source of their own
    /// make session names of them.
    #[must_use]
    pub fn info(mut self, service: &Service, entropy: u32) -> Self {
        let mut body = BytesMut::new();
        let origins = if service.cors { "\"origins\":[\"*:*\"]," } else { "" };
        let Service { websocket, cookie, .. } = service;
        body.extend_from_slice(
            format!(
                "{{\"websocket\":{websocket},{origins}\"cookie_needed\":{cookie},\
                 \"entropy\":{entropy}"
            )
            .as_bytes(),
        );
        if let Some(url) = &service.base_url {
            body.extend_from_slice(b",\"base_url\":");
            json::write_str(&mut body, url);
        }
        body.extend_from_slice(b"}");
        self.body = body.freeze();
        self
    }

    pub(super) fn receive(
        service: &Service,
        request: &Request<'_>,
        dress: &Dress,
        prelude: Bytes,
    ) -> Self {
        let mut response = Self::new(200);
        response.set_cookie(service, request);
        response.set_no_cache();
        match dress {
            // A page or a script, made of what others say.
            Dress::HtmlFile | Dress::Jsonp(_) => {
                response.header("X-Content-Type-Options", "nosniff");
            }
            _ if service.cors => response.set_cors(request),
            _ => {}
        }
        response.header("X-Accel-Buffering", "no");
        response.with_body(dress.content_type(), prelude)
    }

    /// `xhr_send` is answered by 204 with a type, since Firefox takes no type for XML;
    /// `jsonp_send` by a body, since Konqueror does strange things on 204.
    pub(super) fn send(service: &Service, request: &Request<'_>, form: bool) -> Self {
        let mut response = Self::new(if form { 200 } else { 204 });
        response.set_cookie(service, request);
        response.set_no_cache();
        if !form && service.cors {
            response.set_cors(request);
        }
        response.with_body(TEXT, Bytes::from_static(if form { b"ok" } else { b"" }))
    }

    fn set_no_cache(&mut self) {
        self.header(
            "Cache-Control",
            "no-store, no-cache, no-transform, must-revalidate, max-age=0",
        );
    }

    fn set_cors(&mut self, request: &Request<'_>) {
        match request.origin.filter(|origin| !origin.is_empty()) {
            Some(origin) => {
                self.header("Access-Control-Allow-Origin", origin.to_owned());
                self.header("Access-Control-Allow-Credentials", "true");
            }
            None => self.header("Access-Control-Allow-Origin", "*"),
        }
        self.header("Vary", "Origin");
        if let Some(asked) = request.asked_headers.filter(|asked| !asked.is_empty()) {
            self.header("Access-Control-Allow-Headers", asked.to_owned());
        }
    }

    /// The cookie that some balancers need to see before they are sticky; they add the value.
    fn set_cookie(&mut self, service: &Service, request: &Request<'_>) {
        if !service.cookie {
            return;
        }
        let value = request
            .cookie
            .into_iter()
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(name, value)| (name.trim() == "JSESSIONID").then_some(value.trim()))
            .filter(|value| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic()))
            .unwrap_or("dummy");
        self.header("Set-Cookie", format!("JSESSIONID={value}; path=/"));
    }
}

/// The answer to a GET of a WebSocket's address that is no right handshake.
pub fn not_a_websocket() -> Response {
    Response::text(400, "Not a valid websocket request")
}

/// The answer to a POST whose body is over the limit.
pub fn too_large() -> Response {
    Response::text(413, "Payload too large.")
}

pub(super) const YEAR_S: u64 = 31_536_000;
