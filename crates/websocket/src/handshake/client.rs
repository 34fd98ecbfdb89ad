//! The client's side of the opening handshake (RFC 6455 section 4.1, RFC 8441 section 5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use super::list::{as_token, holds_token, only};
use super::origin::split_port;
use super::{accept_value, extensions};
use crate::deflate;

/// What the client wants.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The subprotocols offered, the most wanted first.
    pub subprotocols: Vec<String>,
    /// Fail if subprotocols were offered and none was chosen, as browsers do.
    pub require_subprotocol: bool,
    /// Compression, if we want it.
    pub deflate: Option<deflate::Config>,
    /// Further header fields, such as Authorization, Cookie or Origin.
    pub headers: HeaderMap,
}

/// Where a WebSocket URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether it is `wss`.
    pub secure: bool,
    /// A name or an address; IPv6 without its brackets.
    pub host: String,
    /// The port, by default 80 or 443.
    pub port: u16,
    /// Host and port as the Host field has them.
    authority: String,
    /// Path and query.
    target: String,
}

/// The request cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The URL is no WebSocket URL.
    #[error("{0}")]
    Url(&'static str),
    /// A subprotocol is no token, or is offered twice (item 10).
    #[error("The subprotocol {0:?} is no token or stands twice.")]
    Subprotocol(String),
    /// A header field that the handshake itself sets.
    #[error("The header field {0} is set by the handshake.")]
    Header(HeaderName),
}

/// The server's answer is not what opens a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (status {})", status.as_u16())]
pub struct AnswerError {
    /// The status of the answer: if it is not 101 (2xx over HTTP/2 and HTTP/3), it is to be read as
    /// plain HTTP.
    pub status: StatusCode,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What the handshake agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Established {
    /// The subprotocol chosen by the server.
    pub subprotocol: Option<String>,
    /// The compression agreed to, for [`crate::Connection::client`].
    pub deflate: Option<deflate::Agreed>,
}

/// One opening handshake: the request to send, and the check of the answer.
#[derive(Debug)]
pub struct Handshake {
    request: http::Request<()>,
    /// What the answer to an Upgrade must hold; `None` for an extended CONNECT.
    accept: Option<String>,
    options: Options,
    /// What compression may come to take.
    memory: deflate::Reserved,
}

impl Address {
    /// Reads a `ws:` or `wss:` URL (section 3).
    ///
    /// # Errors
    /// Another scheme, a fragment, user information, or a bad host or port.
    pub fn parse(url: &str) -> Result<Self, RequestError> {
        if url.contains('#') {
            return Err(RequestError::Url("A WebSocket URL has no fragment."));
        }
        let uri: Uri = url.parse().map_err(|_| NO_URL)?;
        let secure = match uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("ws") => false,
            Some(scheme) if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(RequestError::Url("The scheme of a WebSocket URL is ws or wss.")),
        };
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let Some((host, port)) = split_port(authority) else {
            return Err(RequestError::Url("The URL's host or port is not valid."));
        };
        let default = if secure { 443 } else { 80 };
        let port = port.unwrap_or(default);
        if port == 0 {
            return Err(RequestError::Url("The URL's host or port is not valid."));
        }
        Ok(Self {
            secure,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            // Item 4: the port stands in Host unless it is the scheme's own.
            authority: if port == default { host.to_owned() } else { format!("{host}:{port}") },
            target: match uri.path_and_query().map_or("/", |target| target.as_str()) {
                query if query.starts_with('?') => format!("/{query}"), // RFC 9112 section 3.2.1
                target => target.to_owned(),
            },
        })
    }
}

impl Address {
    /// The target of a CONNECT (RFC 9110 section 9.3.6), which always has the port.
    #[cfg(feature = "tokio")]
    pub(crate) fn host_and_port(&self) -> String {
        let host = &self.host;
        if host.contains(':') {
            return format!("[{host}]:{}", self.port);
        }
        format!("{host}:{}", self.port)
    }
}

impl Handshake {
    /// Makes the request for HTTP/1.1. `nonce` must be fresh and random (item 7).
    ///
    /// # Errors
    /// An option that the request cannot carry.
    pub fn new(address: &Address, options: Options, nonce: [u8; 16]) -> Result<Self, RequestError> {
        let key = STANDARD.encode(nonce);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, header_value(&address.authority)?);
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_KEY, header_value(&key)?);
        let mut request = http::Request::new(());
        *request.uri_mut() = address.target.parse().map_err(|_| NO_URL)?;
        Self::with_fields(request, headers, Some(accept_value(key.as_bytes())), options)
    }

    /// Makes the request for HTTP/2 (RFC 8441 section 5) and HTTP/3 (RFC 9220): an extended
    /// CONNECT, with an absolute target. Whoever sends it adds the pseudo-header `:protocol` with
    /// the value `websocket`, and only to a server whose settings allow it (RFC 8441 section 3).
    ///
    /// ```
    /// use omniwire_websocket::handshake::client::{Address, Handshake, Options};
    ///
    /// let address = Address::parse("wss://example.com/chat")?;
    /// let handshake = Handshake::extended_connect(&address, Options::default())?;
    /// assert_eq!(handshake.request().method(), "CONNECT");
    /// assert_eq!(handshake.request().uri(), "https://example.com/chat");
    /// let answer = http::Response::builder().status(200).version(http::Version::HTTP_2).body(())?;
    /// assert!(handshake.check(&answer).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An option that the request cannot carry.
    pub fn extended_connect(address: &Address, options: Options) -> Result<Self, RequestError> {
        if let Some(name) =
            CONNECTION_SPECIFIC.iter().find(|name| options.headers.contains_key(*name))
        {
            return Err(RequestError::Header(name.clone()));
        }
        let mut request = http::Request::new(());
        *request.method_mut() = Method::CONNECT;
        // RFC 8441 section 5: `https` stands for wss, `http` for ws.
        let scheme = if address.secure { "https" } else { "http" };
        *request.uri_mut() = Uri::builder()
            .scheme(scheme)
            .authority(address.authority.as_str())
            .path_and_query(address.target.as_str())
            .build()
            .map_err(|_| NO_URL)?;
        Self::with_fields(request, HeaderMap::new(), None, options)
    }

    /// What the request of every version of HTTP holds.
    fn with_fields(
        mut request: http::Request<()>,
        mut headers: HeaderMap,
        accept: Option<String>,
        mut options: Options,
    ) -> Result<Self, RequestError> {
        check_subprotocols(&options.subprotocols)?;
        if let Some(name) = options.headers.keys().find(|name| is_ours(name)) {
            return Err(RequestError::Header(name.clone()));
        }
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        if !options.subprotocols.is_empty() {
            let offered = header_value(&options.subprotocols.join(", "))?;
            headers.insert(SEC_WEBSOCKET_PROTOCOL, offered);
        }
        let mut memory = deflate::Reserved::default();
        if let Some(config) = &mut options.deflate {
            (*config, memory) = config.within_memory();
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, header_value(&deflate::offer(config))?);
        }
        headers.extend(options.headers.clone());
        *request.headers_mut() = headers;
        Ok(Self { request, accept, options, memory })
    }

    /// The request: its target is in origin form for HTTP/1.1, absolute for an extended CONNECT.
    #[must_use]
    pub const fn request(&self) -> &http::Request<()> {
        &self.request
    }

    /// Checks the answer by every rule of section 4.1.
    ///
    /// # Errors
    /// The answer does not open a WebSocket, and the connection must be closed.
    pub fn check<B>(&self, answer: &http::Response<B>) -> Result<Established, AnswerError> {
        let status = answer.status();
        self.agree(status, answer.version(), answer.headers())
            .map_err(|reason| AnswerError { status, reason })
    }

    fn agree(
        &self,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Established, &'static str> {
        match &self.accept {
            Some(accept) => check_upgrade(status, version, headers, accept)?,
            None => check_connect(status, version, headers)?,
        }
        Ok(Established {
            subprotocol: self.chosen_subprotocol(headers)?,
            deflate: self.agreed_deflate(headers)?,
        })
    }

    /// Item 6.
    fn chosen_subprotocol(&self, headers: &HeaderMap) -> Result<Option<String>, &'static str> {
        let offered = &self.options.subprotocols;
        match only(headers, SEC_WEBSOCKET_PROTOCOL) {
            Err(_) => Err("The server chose several subprotocols."),
            Ok(None) if self.options.require_subprotocol && !offered.is_empty() => {
                Err("The server chose no subprotocol.")
            }
            Ok(None) => Ok(None),
            Ok(Some(chosen)) => offered
                .iter()
                .find(|offered| offered.as_bytes() == chosen)
                .map(|offered| Some(offered.clone()))
                .ok_or("The server chose a subprotocol that was not offered."),
        }
    }

    /// Item 5, section 9.1, and RFC 7692 section 5.1.
    fn agreed_deflate(&self, headers: &HeaderMap) -> Result<Option<deflate::Agreed>, &'static str> {
        let answered = extensions::read_extensions(headers)
            .map_err(|_| "The answer's Sec-WebSocket-Extensions is malformed.")?;
        match (answered.as_slice(), &self.options.deflate) {
            ([], _) => Ok(None),
            ([one], Some(config)) if one.name.eq_ignore_ascii_case(deflate::NAME) => {
                deflate::accept_answer(one, config)
                    .map(|agreed| Some(deflate::Agreed::new(agreed, config, self.memory.clone())))
                    .ok_or("The server answered permessage-deflate with bad parameters.")
            }
            _ => Err("The server answered with an extension that was not offered."),
        }
    }
}

/// Items 1 to 4 of the checks in section 4.1.
fn check_upgrade(
    status: StatusCode,
    version: Version,
    headers: &HeaderMap,
    accept: &str,
) -> Result<(), &'static str> {
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(NO_WEBSOCKET); // item 1
    }
    if version != Version::HTTP_11 {
        return Err("The answer is not HTTP/1.1.");
    }
    match only(headers, UPGRADE) {
        Ok(Some(upgrade)) if upgrade.eq_ignore_ascii_case(b"websocket") => {}
        _ => return Err("The answer's Upgrade is not websocket."), // item 2
    }
    if !holds_token(headers, CONNECTION, "upgrade") {
        return Err("The answer's Connection lacks the token upgrade."); // item 3
    }
    match only(headers, SEC_WEBSOCKET_ACCEPT) {
        Ok(Some(answered)) if answered == accept.as_bytes() => Ok(()),
        _ => Err("The answer's Sec-WebSocket-Accept is wrong."), // item 4
    }
}

/// RFC 8441 section 5: any status of 2xx, and no Sec-WebSocket-Accept to look at.
fn check_connect(
    status: StatusCode,
    version: Version,
    headers: &HeaderMap,
) -> Result<(), &'static str> {
    if version < Version::HTTP_2 {
        return Err("The answer is not HTTP/2 or HTTP/3.");
    }
    if !status.is_success() {
        return Err(NO_WEBSOCKET);
    }
    // RFC 9113 section 8.2.2, RFC 9114 section 4.2: an answer that holds one is malformed.
    if CONNECTION_SPECIFIC.iter().any(|name| headers.contains_key(name)) {
        return Err("The answer has fields that have no place in HTTP/2 and HTTP/3.");
    }
    Ok(())
}

/// Item 10: tokens, each once.
pub(crate) fn check_subprotocols(subprotocols: &[String]) -> Result<(), RequestError> {
    for (at, subprotocol) in subprotocols.iter().enumerate() {
        let repeated = subprotocols.iter().take(at).any(|earlier| earlier == subprotocol);
        if repeated || as_token(subprotocol.as_bytes()).is_none() {
            return Err(RequestError::Subprotocol(subprotocol.clone()));
        }
    }
    Ok(())
}

fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with("sec-websocket-")
        || [HOST, UPGRADE, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name)
}

fn header_value(value: &str) -> Result<HeaderValue, RequestError> {
    HeaderValue::from_str(value)
        .map_err(|_| RequestError::Url("The URL's host or port is not valid."))
}

/// RFC 9113 section 8.2.2, RFC 9114 section 4.2.
const CONNECTION_SPECIFIC: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

const NO_WEBSOCKET: &str = "The server does not open a WebSocket.";

const NO_URL: RequestError = RequestError::Url("This is no URL.");

#[cfg(test)]
mod tests;
