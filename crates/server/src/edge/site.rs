//! What all connections of a listener have in common, whatever version of HTTP they speak, and how
//! a request comes from them to the router.

use super::answers;
use super::crowd::{Connection, Crowd};
use super::hosts::{Hosts, Verdict};
use crate::mount::{Mounts, Remote};
use crate::quoted::quoted;
use crate::request::Secure;
use crate::server::{Omniwire, Shared};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderValue, Request, Response, Version, header};
use omniwire_session::limits::Limits;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tower_service::Service as _;

/// What all connections of a listener have in common.
pub(super) struct Site {
    pub(super) router: Router,
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    pub(super) crowd: Arc<Crowd>,
    /// Whether a mount serves WebTransport.
    #[cfg(feature = "http3")]
    pub(super) webtransport: bool,
    mounts: Arc<Mounts>,
    hosts: Hosts,
    local: IpAddr,
    /// Tells those who come by TCP that the same is there by QUIC (RFC 7838).
    alternative: Option<HeaderValue>,
}

/// One connection, as its requests see it.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) remote: SocketAddr,
    pub(super) connection: Arc<Connection>,
    /// Over TLS or QUIC.
    pub(super) secure: bool,
}

/// How long a client may remember that there is HTTP/3: a day, as is usual.
#[cfg(feature = "http3")]
const ALTERNATIVE_AGE_S: u32 = 86_400;

impl Site {
    pub(super) fn new(omniwire: &Omniwire, router: Router, local: SocketAddr) -> Self {
        let shared = &omniwire.shared;
        Self {
            router,
            shared: Arc::clone(shared),
            limits: shared.limits.clone(),
            crowd: Arc::clone(&shared.crowd),
            #[cfg(feature = "http3")]
            webtransport: omniwire.mounts.has_webtransport(),
            mounts: Arc::clone(&omniwire.mounts),
            hosts: shared.hosts.clone(),
            local: local.ip(),
            alternative: None,
        }
    }

    /// Has HTTP/3 at a port of the same host.
    #[cfg(feature = "http3")]
    pub(super) fn tell_http3(&mut self, port: u16) {
        let value = format!("h3=\":{port}\"; ma={ALTERNATIVE_AGE_S}");
        self.alternative = HeaderValue::try_from(value).ok();
    }

    /// Whether who asks for a WebSocket there is answered by a mount of ours. Other routes may
    /// expect hyper.
    pub(super) fn has_mount(&self, path: &str) -> bool {
        self.mounts.find(path).is_some()
    }

    /// Answers a request that came over `visit`. What is to come keeps neither of them.
    pub(super) fn answer(
        &self,
        visit: &Visit,
        mut request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        visit.connection.greeted();
        let routed = match refuse_host(&self.hosts, &request, Some(self.local)) {
            Some(refusal) => Err(refusal),
            None => {
                name_host(&mut request);
                let extensions = request.extensions_mut();
                extensions.insert(Remote(visit.remote));
                if visit.secure {
                    extensions.insert(Secure);
                }
                // A WebSocket outlives its HTTP connection, and still counts.
                extensions.insert(Arc::clone(&visit.connection));
                Ok(self.router.clone().call(request))
            }
        };
        let alternative = self.alternative.clone().filter(|_| visit.secure);
        async move {
            let mut response = match routed {
                Ok(routed) => routed.await.unwrap_or_else(|never| match never {}),
                Err(refusal) => return refusal,
            };
            if let Some(alternative) = alternative {
                response.headers_mut().insert(header::ALT_SVC, alternative);
            }
            response
        }
    }
}

/// Takes in a request that a listener of somebody else's received, `axum::serve` for one. Of the
/// connection it knows what axum's `ConnectInfo` says, if that is there. The answer, if it names a
/// host that is not ours.
pub(crate) fn take_in(hosts: &Hosts, request: &mut Request<Body>) -> Option<Response<Body>> {
    if request.extensions().get::<Remote>().is_some() {
        return None;
    }
    let refusal = refuse_host(hosts, request, None);
    name_host(request);
    let remote = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if let Some(&ConnectInfo(remote)) = remote {
        request.extensions_mut().insert(Remote(remote));
    }
    refusal
}

/// `local`: where the server listens, if that is known.
fn refuse_host(
    hosts: &Hosts,
    request: &Request<Body>,
    local: Option<IpAddr>,
) -> Option<Response<Body>> {
    match hosts.judge(request, local) {
        Verdict::Ours => None,
        Verdict::NotOurs => Some(misdirected(request)),
        Verdict::Malformed => Some(answers::bad_host()),
    }
}

/// HTTP/2 and HTTP/3 name the host in `:authority`; whoever compares it with an Origin, or looks at
/// the headers of a session, wants it in Host (RFC 9113, 8.3.1).
fn name_host(request: &mut Request<Body>) {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    if let Some(Ok(host)) = authority.map(HeaderValue::from_str)
        && request.version() >= Version::HTTP_2
    {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
}

fn misdirected(request: &Request<Body>) -> Response<Body> {
    let host = request.headers().get(header::HOST);
    tracing::info!(
        host = ?host.map(quoted),
        "refused a name that is not ours; Builder::hosts (or `hosts` in the configuration) says \
         which are"
    );
    answers::misdirected()
}
