//! What a server answers to negotiate (`TransportProtocols.md`, "`POST [endpoint-base]/negotiate`
//! request").

use crate::Transport;
use omniwire_session::{ByteString, json};

/// A good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Negotiated {
    /// There is a connection.
    Connection(Offer),
    /// It is elsewhere: negotiate there.
    Elsewhere {
        /// Where.
        url: String,
        /// With this token from now on, if there is one.
        access_token: Option<String>,
    },
}

/// A connection that may be opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offer {
    /// How others call it.
    pub connection_id: String,
    /// The `id` that opens it.
    pub token: String,
    /// How it may be carried.
    pub transports: Vec<Transport>,
    /// Whether a lost line may be followed by another.
    pub stateful: bool,
}

impl Negotiated {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// It is none, or says an error: the text for people.
    pub fn read(body: &str) -> Result<Self, String> {
        let object = ByteString::from(body);
        let members = json::member_slices(&object).map_err(|_| NO_ANSWER)?;
        let (mut id, mut token, mut url, mut access_token) = (None, None, None, None);
        let mut offer = Offer::default();
        for (name, value) in members {
            let text = || json::unescape(value).map(|text| text.into_owned());
            match &*name {
                "error" => return Err(text().unwrap_or_else(|| NO_ANSWER.to_owned())),
                "ProtocolVersion" => return Err(FRAMEWORK.to_owned()),
                "connectionId" => id = text(),
                "connectionToken" => token = text(),
                "url" => url = text(),
                "accessToken" => access_token = text(),
                "useStatefulReconnect" => offer.stateful = value == "true",
                "availableTransports" => offer.transports = transports(value),
                _ => {}
            }
        }
        if let Some(url) = url {
            return Ok(Self::Elsewhere { url, access_token });
        }
        offer.connection_id = id.ok_or(NO_ANSWER)?;
        // Version 0 has one id for both.
        offer.token = token.unwrap_or_else(|| offer.connection_id.clone());
        Ok(Self::Connection(offer))
    }
}

/// Those that are known, in the server's order.
fn transports(list: &str) -> Vec<Transport> {
    let inner = list.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let name = |element: &str| {
        let mut members = json::member_slices(element).ok()?;
        let (_, name) = members.find(|(name, _)| &**name == "transport")?;
        match json::unescape(name)?.as_ref() {
            "WebSockets" => Some(Transport::WebSockets),
            "ServerSentEvents" => Some(Transport::ServerSentEvents),
            "LongPolling" => Some(Transport::LongPolling),
            _ => None,
        }
    };
    inner.map(|inner| json::elements(inner).filter_map(name).collect()).unwrap_or_default()
}

const NO_ANSWER: &str = "The server's answer to negotiate is none.";

const FRAMEWORK: &str = "The server speaks SignalR of ASP.NET, before ASP.NET Core.";
