//! The way through a proxy: HTTP CONNECT (RFC 9110 section 9.3.6) or SOCKS5 (RFC 1928, RFC 1929).

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, BytesMut};
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Error;
use crate::handshake::client::Address;
use crate::socket::http1::{read_answer, read_head, write_request};

/// A proxy, reached by plain TCP. It looks up the server's name; TLS runs through it end to end.
#[derive(Clone)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    credentials: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Http,
    Socks5,
}

impl Proxy {
    /// An HTTP proxy that knows CONNECT.
    pub fn http(host: impl Into<String>, port: u16) -> Self {
        Self { kind: Kind::Http, host: host.into(), port, credentials: None }
    }

    /// A SOCKS5 proxy.
    pub fn socks5(host: impl Into<String>, port: u16) -> Self {
        Self { kind: Kind::Socks5, host: host.into(), port, credentials: None }
    }

    /// With a name and a password: Basic for HTTP, RFC 1929 for SOCKS5.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// A stream that leads to the server.
    pub(super) async fn connect(&self, address: &Address) -> Result<TcpStream, Error> {
        let mut tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match self.kind {
            Kind::Http => self.tunnel(&mut tcp, address).await?,
            Kind::Socks5 => self.relay(&mut tcp, address).await?,
        }
        Ok(tcp)
    }

    async fn tunnel<S>(&self, io: &mut S, address: &Address) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let target = address.host_and_port();
        let mut request = http::Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = http::Uri::try_from(target.as_str()).map_err(|_| UNFIT)?;
        let host = HeaderValue::from_str(&target).map_err(|_| UNFIT)?;
        request.headers_mut().insert(HOST, host);
        if let Some((user, password)) = &self.credentials {
            let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            let basic = HeaderValue::from_str(&basic).map_err(|_| UNFIT)?;
            request.headers_mut().insert(PROXY_AUTHORIZATION, basic);
        }
        io.write_all(&write_request(&request)).await?;
        io.flush().await?;
        let mut buf = BytesMut::new();
        let head = read_head(io, &mut buf).await;
        let answer = head
            .and_then(|head| read_answer(&head))
            .map_err(|_| Error::Proxy("The proxy's answer is not HTTP/1.1."))?;
        match (answer.status().is_success(), buf.is_empty()) {
            (true, true) => Ok(()),
            // A WebSocket's server speaks second.
            (true, false) => Err(Error::Proxy("The proxy sent octets that nobody asked for.")),
            (false, _) => Err(Error::Proxy("The proxy refuses to connect to the server.")),
        }
    }

    async fn relay<S>(&self, io: &mut S, address: &Address) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let method = if self.credentials.is_some() { USER_AND_PASSWORD } else { NO_AUTHENTICATION };
        io.write_all(&[SOCKS_VERSION, 1, method]).await?;
        let mut chosen = [0; 2];
        io.read_exact(&mut chosen).await?;
        if chosen != [SOCKS_VERSION, method] {
            return Err(Error::Proxy("The proxy does not take our way to say who we are."));
        }
        if let Some((user, password)) = &self.credentials {
            let mut request = BytesMut::from(&[1][..]);
            put_short(&mut request, user.as_bytes())?;
            put_short(&mut request, password.as_bytes())?;
            io.write_all(&request).await?;
            let mut status = [0; 2];
            io.read_exact(&mut status).await?;
            if status != [1, 0] {
                return Err(Error::Proxy("The proxy does not take our password."));
            }
        }
        io.write_all(&connect_request(address)?).await?;
        io.flush().await?;
        read_reply(io).await
    }
}

/// RFC 1928 section 4.
fn connect_request(address: &Address) -> Result<BytesMut, Error> {
    let mut request = BytesMut::from(&[SOCKS_VERSION, 1, 0][..]);
    match address.host.parse() {
        Ok(IpAddr::V4(host)) => {
            request.put_u8(1);
            request.put_slice(&host.octets());
        }
        Ok(IpAddr::V6(host)) => {
            request.put_u8(4);
            request.put_slice(&host.octets());
        }
        Err(_) => {
            request.put_u8(3);
            put_short(&mut request, address.host.as_bytes())?;
        }
    }
    request.put_u16(address.port);
    Ok(request)
}

/// RFC 1928 section 6: the reply names an address, which is of no use to us.
async fn read_reply<S: AsyncRead + Unpin>(io: &mut S) -> Result<(), Error> {
    let mut head = [0; 4];
    io.read_exact(&mut head).await?;
    let [version, code, _, kind] = head;
    if version != SOCKS_VERSION {
        return Err(Error::Proxy("The proxy does not speak SOCKS5."));
    }
    if code != 0 {
        return Err(Error::Proxy("The proxy refuses to connect to the server."));
    }
    let len = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(io.read_u8().await?),
        _ => return Err(Error::Proxy("The proxy does not speak SOCKS5.")),
    };
    let mut address_and_port = vec![0; len.saturating_add(2)];
    io.read_exact(&mut address_and_port).await?;
    Ok(())
}

/// At most 255 octets behind their length.
fn put_short(request: &mut BytesMut, octets: &[u8]) -> Result<(), Error> {
    let len = u8::try_from(octets.len())
        .map_err(|_| Error::Proxy("A name or password is too long for SOCKS5."))?;
    request.put_u8(len);
    request.put_slice(octets);
    Ok(())
}

/// Without the password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} proxy {}:{}", self.kind, self.host, self.port)
    }
}

const UNFIT: Error = Error::Proxy("The server's name does not fit into a request.");

const SOCKS_VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
