//! The demo: a chat that is written once and serves clients of every protocol.
//!
//! | event | from | what |
//! |---|---|---|
//! | `hello` | server | the newcomer itself, and the members of the lobby |
//! | `members` | server | the members of the lobby, whenever they change |
//! | `said` | server | who said it, and the text; to everybody else |
//! | `say` | client | a text for the others; answered by `"delivered"` |
//! | `name` | client | a name to go by; answered by `null` |
//! | `ping` | client | answered by its argument |
//! | `presence.watch` | client | the room to watch; answered by who is there |
//! | `presence` | server | who came to a watched room, and who left it |

use omniwire::{Args, Failure, Namespace, Peer, Presence, Raw, Reply};
use serde::Serialize;
use std::time::Duration;

const LOBBY: &str = "lobby";

/// Peers of the demo are nobody's, so none comes back as who it was.
const GRACE: Duration = Duration::from_secs(1);

/// Longest name that anybody may go by, in characters.
const NAME_LEN_MAX: usize = 40;

/// Who says something.
#[derive(Debug, Serialize)]
struct Speaker {
    id: String,
    name: String,
    protocol: &'static str,
}

/// A member of the lobby, as clients see it.
#[derive(Debug, Serialize)]
struct Member {
    #[serde(flatten)]
    speaker: Speaker,
    carrier: &'static str,
}

struct Name(String);

/// The namespace `/chat`.
pub(crate) fn chat() -> Namespace {
    Namespace::new("/chat")
        .on_connect(|peer: Peer| async move {
            peer.join(LOBBY)?;
            peer.emit("hello", (member(&peer), members(&peer)))?;
            tell_members(&peer).await
        })
        .on_disconnect(|peer: Peer| async move {
            peer.leave(LOBBY);
            tell_members(&peer).await
        })
        .on("say", say)
        // What a client without events says: one frame, one text.
        .on("message", say)
        .on("name", |peer: Peer, Args((name,)): Args<(String,)>| async move {
            peer.set(Name(name.chars().take(NAME_LEN_MAX).collect()));
            tell_members(&peer).await?;
            Ok::<_, Failure>(Reply(None::<()>))
        })
        .presence(Presence::default().grace(GRACE))
        // Who is there is no secret: `members` tells everybody.
        .on_watch(|| async {})
        .on("ping", |Args((value,)): Args<(Raw,)>| async move { Reply(value) })
}

/// Passes a text on exactly as it came.
async fn say(peer: Peer, Args((text,)): Args<(Raw,)>) -> Result<Reply<&'static str>, Failure> {
    peer.to(LOBBY).emit("said", (speaker(&peer), text)).await?;
    Ok(Reply("delivered"))
}

fn speaker(peer: &Peer) -> Speaker {
    let name = peer.get::<Name>().map(|name| name.0.clone());
    Speaker {
        id: peer.id().to_owned(),
        name: name.unwrap_or_else(|| peer.id().chars().take(4).collect()),
        protocol: peer.protocol(),
    }
}

fn member(peer: &Peer) -> Member {
    Member { speaker: speaker(peer), carrier: peer.transport() }
}

fn members(peer: &Peer) -> Vec<Member> {
    peer.namespace().to(LOBBY).peers().iter().map(member).collect()
}

async fn tell_members(peer: &Peer) -> Result<(), Failure> {
    peer.namespace().to(LOBBY).emit("members", (members(peer),)).await?;
    Ok(())
}
