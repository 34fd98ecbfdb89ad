//! Sessions of WebTransport, which open a session of Engine.IO or take over from its long polling.
//! Every rule that a WebSocket passes holds for them: the origin (asked before), the gate, the
//! user's own session, the limits.

use super::{Endpoint, spoken};
use crate::carrier::Place;
use crate::carrier::webtransport::{self, Talk, Visitor};
use crate::edge::answers::respond;
use crate::mount::Incoming;
use crate::panics::Witness;
use crate::session::cell::Cell;
use axum::body::Body;
use http::{Request, Response};
use omniwire_engineio::frame::Greeting;
use omniwire_engineio::{Open, Protocol, Refused, request};
use omniwire_session::Carrier;
use std::sync::Arc;

/// Whether a request asks for a session of WebTransport.
pub(super) fn is_webtransport(request: &Request<()>) -> bool {
    let protocol = request.extensions().get::<hyper::ext::Protocol>();
    protocol.is_some_and(|protocol| protocol.as_str() == "webtransport")
}

impl Endpoint {
    /// Answers the CONNECT of a session, and waits for its first frame beside that.
    pub(super) fn admit(self: &Arc<Self>, incoming: Incoming) -> Response<Body> {
        if let Err(refused) = request::check_webtransport(&self.engine, incoming.query()) {
            return respond(refused.answer());
        }
        // Who takes over has passed the gate before, and brings neither cookies nor headers now.
        let takes_over = request::parameters(incoming.query()).any(|(name, _)| name == "sid");
        if !takes_over && let Some(denied) = incoming.denied(&self.terms.entrance) {
            return denied;
        }
        // An answer says it better than a session that ends. The seat is taken by the first frame.
        if !takes_over && let Err(refused) = incoming.has_seat() {
            return refused;
        }
        let Some(visitor) = Visitor::take(incoming.request.extensions()) else {
            // Another version of HTTP.
            return respond(Refused::UNKNOWN_TRANSPORT.answer());
        };
        let endpoint = Arc::clone(self);
        tokio::spawn(async move {
            let _witness = Witness(Arc::clone(&incoming.shared));
            if let Some((place, talk)) = endpoint.greet(incoming, visitor, takes_over).await {
                webtransport::run(place, talk, endpoint.engine.max_payload).await;
            }
        });
        Response::new(Body::empty())
    }

    /// Reads the first frame, and finds or opens the session that it is for. Else the WebTransport
    /// session ends, as in the official server.
    async fn greet(
        &self,
        incoming: Incoming,
        visitor: Visitor,
        takes_over: bool,
    ) -> Option<(Place, Talk)> {
        let greeting = visitor.greet(self.engine.max_payload);
        let greeting = tokio::time::timeout(self.engine.upgrade_timeout, greeting).await;
        let Ok(Some((greeting, talk))) = greeting else {
            tracing::debug!("a WebTransport session did not begin as it must");
            return None;
        };
        let cell = match greeting {
            // It did not say that it would open one, so the gate has not seen it.
            Greeting::Open if takes_over && incoming.denied(&self.terms.entrance).is_some() => None,
            Greeting::Open => self.open_cell(&incoming, &Open::new(Carrier::WebTransport)).ok(),
            Greeting::Upgrade(sid) => self.find(&incoming, &sid).ok().flatten().filter(is_current),
        }?;
        let id = cell.attach(Carrier::WebTransport).ok()?;
        tracing::debug!("a WebTransport opens");
        Some((Place::new(&cell, id), talk))
    }
}

/// Whether a session speaks the protocol whose frames these are.
fn is_current(cell: &Arc<Cell>) -> bool {
    spoken(cell) == Protocol::V4
}

#[cfg(test)]
mod tests;
