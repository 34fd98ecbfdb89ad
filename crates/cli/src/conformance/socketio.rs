//! `--suite socketio`: the contract of the Socket.IO server under test. Everything comes from the
//! environment ([`settings`]).

pub(super) mod client;
mod events;
mod rooms;
mod settings;
mod words;

use super::{Basis, Site};
use crate::mistake::Mistake;
use omniwire::{
    AdminUi, Args, Auth, EmitError, Failure, Limits, Namespace, Peer, RawArgs, Relayed, Reply,
    SocketIoMount,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::Settings;
use std::time::Duration;

pub(super) use settings::{port, secure};

/// Builds the server that the environment asks for.
pub(super) fn site(basis: &Basis) -> Result<Site, Mistake> {
    let settings = Settings::from_environment()?;
    let mut mount = SocketIoMount::new().config(settings.config);
    if let Some(origins) = settings.origins {
        mount = mount.origins(origins);
    }
    let (recovery, node) = (settings.recovery, settings.node.clone());
    let contract = move |name: &str| {
        let namespace = contract(name, &node);
        match &recovery {
            Some(recovery) => namespace.connection_recovery(recovery.clone()),
            None => namespace,
        }
    };
    let main = if settings.official { official(contract("/")) } else { welcomed(contract("/")) };
    let mut builder = basis.builder(Limits::default())?;
    if settings.admin {
        let admin = AdminUi::new(Namespace::new("/admin")).server_id(settings.node);
        builder = builder.admin_ui(admin.show(|peer| Some(events::data(peer).0)));
    }
    let omniwire = builder
        .without_socketio()
        .bare_namespace(main)
        .bare_namespace(welcomed(contract("/chat")))
        .bare_namespace(welcomed(contract("/auth")).admit(admit))
        .bare_namespace(official(Namespace::new("/custom")))
        .namespaces_where(move |name| is_dynamic(name).then(|| welcomed(contract(name))))
        .mount(settings.path, mount)
        .build()?;
    Ok(Site::new(omniwire))
}

/// `/dyn-<digits>`
fn is_dynamic(name: &str) -> bool {
    let digits = name.strip_prefix("/dyn-").unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A namespace with the handlers of the contract, on the server of this name.
fn contract(name: &str, node: &str) -> Namespace {
    let namespace = Namespace::new(name.to_owned()).on_disconnect(rooms::tell_watchers);
    rooms::add(events::add(namespace), node)
}

fn welcomed(namespace: Namespace) -> Namespace {
    namespace.on_connect(welcome)
}

#[derive(Serialize)]
struct Welcome<'a> {
    id: &'a str,
    nsp: &'a str,
    auth: Relayed,
    recovered: bool,
}

async fn welcome(peer: Peer) -> Result<(), EmitError> {
    let namespace = peer.namespace();
    let welcome = Welcome {
        id: peer.id(),
        nsp: namespace.name(),
        auth: words::auth(&peer),
        recovered: peer.recovered(),
    };
    peer.emit("welcome", (welcome,))
}

/// What the official Socket.IO 5 suite wants of a namespace. It takes `auth` for the first event,
/// and every other that comes unasked for an error.
fn official(namespace: Namespace) -> Namespace {
    namespace
        .on_connect(|peer: Peer| async move { peer.emit("auth", (words::auth(&peer),)) })
        .on("message", |peer: Peer, Args(args): Args<RawArgs>| async move {
            peer.emit("message-back", args)
        })
        .on("message-with-ack", |Args(args): Args<RawArgs>| async move { Reply(args) })
}

/// The auth payload that `/auth` looks at.
#[derive(Deserialize, Default)]
struct Ticket {
    /// How long to take, in milliseconds.
    #[serde(default)]
    slow: u64,
    token: Option<String>,
}

async fn admit(Auth(ticket): Auth<Option<Ticket>>) -> Result<(), Failure> {
    let ticket = ticket.unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(ticket.slow)).await;
    if ticket.token.as_deref() == Some("secret") {
        return Ok(());
    }
    let data = (json!({ "code": 401, "hint": "token" }),);
    Err(Failure::forbidden("not authorized").with_data(data)?)
}
