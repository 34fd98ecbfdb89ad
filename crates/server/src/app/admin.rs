//! Socket.IO's Admin UI: a namespace in which the page `@socket.io/admin-ui` hears of all the
//! others, and through which it acts on them. Its words are those of npm's server side, 0.5.

use super::arguments::{IntoArgs, Relayed};
use super::audience::Audience;
use super::handler::Args;
use super::namespace::{Namespace, NamespaceHandle};
use super::peer::{EmitError, Peer};
use super::space::Space;
use crate::clock;
use crate::server::Shared;
use crate::session::peers::PeerCell;
use omniwire_msgpack::date_text;
use omniwire_session::{Args as RawArgs, ByteString, Reason};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime};

/// The Admin UI of Socket.IO, in development mode. Whoever may enter its namespace sees and may do
/// all, so it is off unless [`crate::Builder::admin_ui`] asks for it, and wants
/// [`Namespace::admit`] or [`Namespace::authorize`] where others can reach the server.
pub struct AdminUi {
    namespace: Namespace,
    server_id: String,
    show: Option<Show>,
}

type Show = Box<dyn Fn(&Peer) -> Option<RawArgs> + Send + Sync>;

impl fmt::Debug for AdminUi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminUi").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl AdminUi {
    /// In this namespace (the page's own is `/admin`), which lets in whom it pleases.
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace, server_id: "omniwire".into(), show: None }
    }

    /// What the page calls this server.
    #[must_use]
    pub fn server_id(mut self, id: impl Into<String>) -> Self {
        self.server_id = id.into();
        self
    }

    /// What the page shows as a peer's data: one argument, an object.
    #[must_use]
    pub fn show(mut self, show: impl Fn(&Peer) -> Option<RawArgs> + Send + Sync + 'static) -> Self {
        self.show = Some(Box::new(show));
        self
    }

    pub(crate) fn into_parts(self) -> (Namespace, Arc<Feed>) {
        let feed = Arc::new(Feed {
            own: self.namespace.name.clone(),
            server_id: self.server_id,
            show: self.show,
            shared: OnceLock::new(),
            started: clock::now(),
            ticking: AtomicBool::new(false),
        });
        (handlers(self.namespace, &feed), feed)
    }
}

/// What the Admin UI is told.
pub(crate) struct Feed {
    own: ByteString,
    server_id: String,
    show: Option<Show>,
    shared: OnceLock<Weak<Shared>>,
    started: Instant,
    ticking: AtomicBool,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}

fn handlers(namespace: Namespace, feed: &Arc<Feed>) -> Namespace {
    let on = |act: fn(Audience, &RawArgs)| {
        let feed = Arc::clone(feed);
        move |Args(args): Args<RawArgs>| {
            // `namespace`, what to do, in which room: the filter's place is `act`'s to know.
            if let Some(space) = feed.space(&text(&args, 0)) {
                act(Audience::new(&space), &args);
            }
            std::future::ready(())
        }
    };
    let welcome = Arc::clone(feed);
    namespace
        .on_connect(move |peer: Peer| std::future::ready(welcome.welcome(&peer)))
        .on(
            "emit",
            on(|all, args| {
                let audience = filtered(all, args, 1);
                // To whom it can't be said, nobody is to be told.
                audience.emit_now(text(args, 2), args.skip(3)).ok();
            }),
        )
        .on("join", on(|all, args| filtered(all, args, 2).join(text(args, 1))))
        .on("leave", on(|all, args| filtered(all, args, 2).leave(&text(args, 1))))
        .on(
            "_disconnect",
            on(|all, args| {
                let whole = args.get(1).is_some_and(|arg| arg.json() == "true");
                filtered(all, args, 2).disconnect(whole);
            }),
        )
}

fn text(args: &RawArgs, index: usize) -> ByteString {
    let arg = args.get(index).unwrap_or_default();
    let text = omniwire_session::json::unescape(arg.json());
    text.map_or(ByteString::new(), |text| ByteString::from(&*text))
}

fn filtered(all: Audience, args: &RawArgs, index: usize) -> Audience {
    match text(args, index) {
        room if room.is_empty() => all,
        room => all.and(room),
    }
}

#[derive(Serialize)]
struct Socket {
    id: String,
    #[serde(rename = "clientId")]
    client_id: String,
    transport: &'static str,
    nsp: String,
    data: Relayed,
    handshake: Value,
    rooms: Vec<String>,
}

impl Feed {
    pub(crate) fn attach(&self, shared: &Arc<Shared>) {
        self.shared.set(Arc::downgrade(shared)).ok();
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.get()?.upgrade()
    }

    fn space(&self, name: &str) -> Option<Arc<Space>> {
        self.shared()?.space(name)
    }

    fn spaces(&self) -> Vec<Arc<Space>> {
        let Some(shared) = self.shared() else { return Vec::new() };
        let mut spaces: Vec<_> = shared.spaces.values().cloned().collect();
        spaces.extend(shared.dynamic.living());
        spaces
    }

    fn say(&self, event: &'static str, args: impl IntoArgs) {
        if let Some(space) = self.space(&self.own).filter(|space| !space.hub.is_empty()) {
            Audience::new(&space).emit_now(event, args).ok();
        }
    }

    fn is_heard(&self) -> bool {
        self.space(&self.own).is_some_and(|space| !space.hub.is_empty())
    }

    fn welcome(self: &Arc<Self>, peer: &Peer) -> Result<(), EmitError> {
        let features = [
            "EMIT",
            "JOIN",
            "LEAVE",
            "DISCONNECT",
            "MJOIN",
            "MLEAVE",
            "MDISCONNECT",
            "AGGREGATED_EVENTS",
            "ALL_EVENTS",
        ];
        peer.emit("config", (json!({ "supportedFeatures": features }),))?;
        let spaces = self.spaces();
        let peers = spaces.iter().flat_map(|space| Audience::new(space).peers());
        let sockets: Vec<Socket> = peers.map(|peer| self.socket(&peer)).collect();
        peer.emit("all_sockets", (sockets,))?;
        if !self.ticking.swap(true, Ordering::AcqRel) {
            tokio::spawn(tick(Arc::clone(self)));
        }
        Ok(())
    }

    fn data(&self, peer: &Peer) -> Relayed {
        let shown = self.show.as_ref().and_then(|show| show(peer));
        Relayed(shown.unwrap_or_else(|| RawArgs::from_valid_element(ByteString::from_static("{}"))))
    }

    fn socket(&self, peer: &Peer) -> Socket {
        let request = peer.request();
        let headers: BTreeMap<_, _> =
            request.headers().map(|(name, value)| (name, String::from_utf8_lossy(value))).collect();
        let query: BTreeMap<_, _> = request.query_pairs().collect();
        let address = request.remote().map(|remote| remote.ip().to_string()).unwrap_or_default();
        let mut rooms = vec![peer.id().to_owned()];
        rooms.extend(peer.rooms().iter().map(ToString::to_string));
        let handshake = json!({
            "address": address,
            "headers": headers,
            "query": query,
            "issued": millis(),
            "secure": request.is_secure(),
            "time": now(),
            "url": request.target(),
            "xdomain": request.header("origin").is_some(),
        });
        Socket {
            id: peer.id().to_owned(),
            // The whole of it is a secret.
            client_id: peer.0.cell.token().chars().take(12).collect(),
            transport: peer.transport(),
            nsp: peer.namespace().name().to_owned(),
            data: self.data(peer),
            handshake,
            rooms,
        }
    }

    pub(crate) fn connected(&self, peer: &Peer) {
        if self.is_heard() {
            self.say("socket_connected", (self.socket(peer), now()));
            self.joined(peer, peer.id());
        }
    }

    pub(crate) fn disconnected(&self, peer: &PeerCell, rooms: &[ByteString], reason: Reason) {
        let (space, id) = (&*peer.space().name, &*peer.member.id);
        self.say("socket_disconnected", (space, id, reason.as_str(), now()));
        for room in rooms.iter().map(|room| &**room).chain([id]) {
            self.say("room_left", (space, room, id, now()));
        }
    }

    pub(crate) fn updated(&self, peer: &Peer) {
        #[derive(Serialize)]
        struct Update<'a> {
            id: &'a str,
            nsp: &'a str,
            data: Relayed,
        }
        let nsp = peer.namespace();
        let update = Update { id: peer.id(), nsp: nsp.name(), data: self.data(peer) };
        self.say("socket_updated", (update,));
    }

    /// Its session went over to another transport.
    pub(crate) fn moved(&self, peer: &Peer) {
        let nsp = peer.namespace();
        let update = json!({ "id": peer.id(), "nsp": nsp.name(), "transport": peer.transport() });
        self.say("socket_updated", (update,));
    }

    pub(crate) fn joined(&self, peer: &Peer, room: &str) {
        self.say("room_joined", (peer.namespace().name(), room, peer.id(), now()));
    }

    pub(crate) fn left(&self, peer: &Peer, room: &str) {
        self.say("room_left", (peer.namespace().name(), room, peer.id(), now()));
    }

    /// An event that a peer said (`event_received`) or heard (`event_sent`).
    pub(crate) fn event(
        &self,
        what: &'static str,
        space: &str,
        id: &str,
        name: &ByteString,
        args: &RawArgs,
    ) {
        if self.own != space && self.is_heard() {
            let mut said = vec![Relayed(RawArgs::from_text(name.clone()))];
            said.extend(args.iter().map(Relayed));
            self.say(what, (space, id, said, now()));
        }
    }

    /// The counts of one interval.
    fn stats(&self, shared: &Shared, before: &mut [u64; 6]) {
        let Some(own) = self.space(&self.own) else { return };
        let counts = counts(shared);
        let names = ["rawConnection", "rawDisconnection", "packetsIn", "packetsOut"];
        let names = names.into_iter().chain(["bytesIn", "bytesOut"]);
        let second = (millis() / 1000).saturating_mul(1000);
        let news = names.zip(counts.iter().zip(before.iter()));
        let aggregated: Vec<_> = news
            .filter(|(_, (now, before))| now > before)
            .map(|(name, (now, before))| {
                json!({ "timestamp": second, "type": name, "count": now.saturating_sub(*before) })
            })
            .collect();
        *before = counts;
        let namespaces: Vec<_> = self
            .spaces()
            .into_iter()
            .map(NamespaceHandle)
            .map(|space| json!({ "name": space.name(), "socketsCount": space.len() }))
            .collect();
        let sessions = shared.table.len();
        let polling = shared.table.all().iter().filter(|c| c.transport() == "polling").count();
        let stats = json!({
            "serverId": self.server_id,
            "hostname": self.server_id,
            "pid": std::process::id(),
            "uptime": self.started.elapsed().as_secs_f64(),
            "clientsCount": sessions,
            "pollingClientsCount": polling,
            "aggregatedEvents": aggregated,
            "namespaces": namespaces,
        });
        Audience::new(&own).emit_now("server_stats", (stats,)).ok();
    }
}

fn counts(shared: &Shared) -> [u64; 6] {
    let counters = &shared.counters;
    [
        &counters.sessions_opened,
        &counters.sessions_closed,
        &counters.messages_in,
        &counters.messages_out,
        &counters.bytes_in,
        &counters.bytes_out,
    ]
    .map(|count| count.load(Ordering::Relaxed))
}

/// Tells the statistics, as long as anybody listens.
async fn tick(feed: Arc<Feed>) {
    let mut before = feed.shared().map(|shared| counts(&shared)).unwrap_or_default();
    loop {
        tokio::time::sleep(STATS_INTERVAL).await;
        let Some(shared) = feed.shared() else { return };
        if !feed.is_heard() {
            feed.ticking.store(false, Ordering::Release);
            // Whoever entered in between found it ticking.
            if !feed.is_heard() || feed.ticking.swap(true, Ordering::AcqRel) {
                return;
            }
        }
        feed.stats(&shared, &mut before);
    }
}

fn millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// As JSON has a JavaScript Date.
fn now() -> String {
    i64::try_from(millis()).ok().and_then(date_text).unwrap_or_default()
}

/// npm's interval.
const STATS_INTERVAL: Duration = Duration::from_secs(2);
