//! What an HTTP request asks of an Engine.IO server, read in the order of the official server's
//! checks: transport, session, method, protocol.

use crate::{Config, Protocol};
use http::{HeaderMap, Method, header};
use omniwire_session::{Answer, ByteString, Carrier, Ending, Fault, Kind};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A new session. The application may still refuse it ([`Refused::forbidden`]).
    Open(Open),
    /// Something of a session that may exist: if not, the answer is [`Refused::UNKNOWN_SID`], and
    /// [`Refused::BAD_REQUEST`] if it speaks another protocol.
    Session {
        /// The session.
        sid: ByteString,
        /// The protocol that the client takes it to speak.
        protocol: Protocol,
        /// What it is asked for.
        asks: Asks,
    },
}

/// What a session is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// A GET: [`omniwire_session::Input::Attach`] with [`Carrier::LongPoll`].
    Poll {
        /// The index of a JSONP answer; wrap it with [`crate::jsonp::wrap`].
        jsonp: Option<ByteString>,
    },
    /// A POST: [`omniwire_session::Input::Body`].
    Post {
        /// What the body is.
        kind: Kind,
        /// The body is a form, to be read with [`crate::jsonp::unwrap`] first.
        form: bool,
    },
    /// A WebSocket: [`omniwire_session::Input::Attach`] with [`Carrier::WebSocket`].
    Upgrade,
    /// Nothing that a session has: the answer is [`Refused::BAD_REQUEST`].
    Other,
}

/// How a new session wants to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// What carries it: [`Carrier::LongPoll`], [`Carrier::WebSocket`] or [`Carrier::WebTransport`].
    pub carrier: Carrier,
    /// The protocol that it speaks.
    pub protocol: Protocol,
    /// Protocol 3: binary goes out as base64 text everywhere (`b64=1`).
    pub base64: bool,
    /// Protocol 3: the index of a JSONP answer; wrap it with [`crate::jsonp::wrap`].
    pub jsonp: Option<ByteString>,
}

impl Open {
    /// A session of protocol 4.
    pub fn new(carrier: Carrier) -> Self {
        Self { carrier, protocol: Protocol::V4, base64: false, jsonp: None }
    }

    /// A session of protocol 3.
    pub fn v3(carrier: Carrier) -> Self {
        Self { protocol: Protocol::V3, ..Self::new(carrier) }
    }
}

/// Reads a request. `query` is what follows the `?` of its target; `upgrade` says that it is a
/// complete WebSocket opening, over any version of HTTP.
///
/// # Errors
/// The request is to be refused: answer with [`Refused::answer`], or for an upgrade
/// [`Refused::upgrade_answer`].
pub fn parse(
    config: &Config,
    method: &Method,
    query: &str,
    headers: &HeaderMap,
    upgrade: bool,
) -> Result<Request, Refused> {
    let query = Query::parse(query);
    let transport = match query.transport.as_deref() {
        Some("polling") if config.transports.polling => Carrier::LongPoll,
        Some("websocket") if config.transports.websocket => Carrier::WebSocket,
        _ => return Err(Refused::UNKNOWN_TRANSPORT),
    };
    if let Some(sid) = query.sid.as_deref().filter(|sid| !sid.is_empty()) {
        let protocol = query.protocol();
        // Only clients of protocol 3 are answered in scripts.
        let jsonp = query.jsonp().filter(|_| protocol == Protocol::V3);
        let asks = match (transport, upgrade) {
            (Carrier::WebSocket, true) => Asks::Upgrade,
            (Carrier::LongPoll, false) if method == Method::GET => Asks::Poll { jsonp },
            (Carrier::LongPoll, false) if method == Method::POST => {
                Asks::Post { kind: body_kind(headers), form: jsonp.is_some() }
            }
            _ => Asks::Other,
        };
        return Ok(Request::Session { sid: sid.into(), protocol, asks });
    }
    // Extended CONNECT (RFC 8441) opens a WebSocket as GET does in HTTP/1.1.
    if method != Method::GET && !(upgrade && method == Method::CONNECT) {
        return Err(Refused::BAD_METHOD);
    }
    if upgrade != (transport == Carrier::WebSocket) {
        return Err(Refused::BAD_REQUEST);
    }
    let protocol = config.protocol(query.eio.as_deref()).ok_or(Refused::UNSUPPORTED_PROTOCOL)?;
    let jsonp = query.jsonp().filter(|_| protocol == Protocol::V3 && !upgrade);
    let base64 = protocol == Protocol::V3 && (query.base64 || jsonp.is_some());
    Ok(Request::Open(Open { carrier: transport, protocol, base64, jsonp }))
}

/// Whether a WebTransport session may begin. What it is for, a new session or one that moves, is
/// said by its first frame: [`crate::frame::Greeting`].
///
/// # Errors
/// It may not, and is to be refused as [`Refused::answer`] says.
pub fn check_webtransport(config: &Config, query: &str) -> Result<(), Refused> {
    let query = Query::parse(query);
    // The official server looks at neither; its clients name both.
    if !config.transports.webtransport || query.transport.is_some_and(|name| name != "webtransport")
    {
        return Err(Refused::UNKNOWN_TRANSPORT);
    }
    match query.eio.as_deref() {
        None | Some("4") => Ok(()),
        Some(_) => Err(Refused::UNSUPPORTED_PROTOCOL),
    }
}

/// Whether a POST's body counts as binary.
fn body_kind(headers: &HeaderMap) -> Kind {
    match headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes()) {
        Some(b"application/octet-stream") => Kind::Binary,
        _ => Kind::Text,
    }
}

/// The parameters that Engine.IO knows; where one comes twice, the last counts.
#[derive(Debug, Default)]
struct Query<'a> {
    transport: Option<Cow<'a, str>>,
    sid: Option<Cow<'a, str>>,
    eio: Option<Cow<'a, str>>,
    jsonp: Option<Cow<'a, str>>,
    base64: bool,
}

impl<'a> Query<'a> {
    fn parse(query: &'a str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in parameters(query) {
            match name.as_ref() {
                "transport" => parsed.transport = Some(value),
                "sid" => parsed.sid = Some(value),
                "EIO" => parsed.eio = Some(value),
                "j" => parsed.jsonp = Some(value),
                "b64" => parsed.base64 = !value.is_empty(),
                _ => {}
            }
        }
        parsed
    }

    /// The protocol of a session that is there; what is no `4` means the older one.
    fn protocol(&self) -> Protocol {
        if self.eio.as_deref() == Some("4") { Protocol::V4 } else { Protocol::V3 }
    }

    /// The index for a JSONP answer: digits only, since it becomes part of a script.
    fn jsonp(&self) -> Option<ByteString> {
        let digits = self.jsonp.as_ref()?.chars().filter(char::is_ascii_digit);
        Some(digits.take(20).collect::<String>().into())
    }
}

/// The names and values of a query, decoded as forms are (`+` is a blank).
pub fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|field| !field.is_empty()).map(|field| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        (decode_component(name), decode_component(value))
    })
}

pub(crate) fn decode_component(text: &str) -> Cow<'_, str> {
    // Most parameters are plain, and there are some in each request.
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    if text.contains('+') {
        let text = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

/// Why a request is refused, in the official words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The official number.
    pub code: u8,
    /// The official words, or the application's own.
    pub message: ByteString,
}

impl Refused {
    /// The transport is none of ours, or is switched off.
    pub const UNKNOWN_TRANSPORT: Self = Self::new(0, "Transport unknown");
    /// There is no such session (any more).
    pub const UNKNOWN_SID: Self = Self::new(1, "Session ID unknown");
    /// A session opens with GET only.
    pub const BAD_METHOD: Self = Self::new(2, "Bad handshake method");
    /// The request does not fit the session, or a WebSocket handshake is none.
    pub const BAD_REQUEST: Self = Self::new(3, "Bad request");
    /// The application does not want this client.
    pub const FORBIDDEN: Self = Self::new(4, "Forbidden");
    /// The client speaks a protocol that is not served.
    pub const UNSUPPORTED_PROTOCOL: Self = Self::new(5, "Unsupported protocol version");

    const fn new(code: u8, message: &'static str) -> Self {
        Self { code, message: ByteString::from_static(message) }
    }

    /// The application does not want this client, and says why.
    pub fn forbidden(message: impl Into<ByteString>) -> Self {
        Self { message: message.into(), ..Self::FORBIDDEN }
    }

    /// HTTP status of the answer.
    pub fn status(&self) -> u16 {
        if self.code == Self::FORBIDDEN.code { 403 } else { 400 }
    }

    /// The JSON body.
    pub fn body(&self) -> ByteString {
        let mut out = bytes::BytesMut::new();
        out.extend_from_slice(format!("{{\"code\":{},\"message\":", self.code).as_bytes());
        omniwire_session::json::write_str(&mut out, &self.message);
        out.extend_from_slice(b"}");
        omniwire_session::json::into_text(out)
    }

    /// The answer to an ordinary request.
    pub fn answer(&self) -> Answer {
        Answer::new(self.status(), "application/json", self.body().into_bytes())
    }

    /// The answer to a WebSocket opening; the connection is then closed.
    pub fn upgrade_answer(&self) -> Answer {
        Answer::new(400, "text/html", self.message.clone().into_bytes())
    }

    /// The same as a fault of a session.
    pub fn fault(&self) -> Fault {
        Fault::new(self.status(), self.body()).json()
    }

    /// The same as the end of a carrier: a WebSocket is just closed.
    pub fn ending(&self) -> Ending {
        Ending { answer: self.answer(), code: None, reason: ByteString::new(), farewell: None }
    }
}

/// The answer to a POST that was taken: `text/html`, so that old browsers do not offer to save
/// it.
pub fn post_answer() -> Answer {
    Answer::new(200, "text/html", "ok")
}

/// For a POST that comes while another POST of the session is being read. The second is answered
/// with this, and the session is given [`omniwire_session::Input::Close`] with
/// [`omniwire_session::Reason::ConnectionLost`]. The official server says no more than the status.
pub fn overlapping_post() -> Fault {
    Fault::new(400, "")
}

/// `Cache-Control` of every polling and POST answer.
pub const CACHE_CONTROL: &str = "no-store";

#[cfg(test)]
mod tests;
