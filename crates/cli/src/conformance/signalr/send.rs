//! Methods that make other clients hear something, and groups.

use omniwire::{
    Args, ArgsError, Audience, Failure, FromArgs, Namespace, NamespaceHandle, Peer, RawArgs,
};
use serde::de::DeserializeOwned;

/// The method that clients hear.
pub(super) const RECEIVE: &str = "Receive";

type Ids = Vec<String>;

/// The room of a group: no connection can have the same name.
pub(super) fn group(name: &str) -> String {
    format!("group:{name}")
}

pub(super) fn add(namespace: Namespace) -> Namespace {
    add_groups(add_sends(namespace))
}

fn add_sends(namespace: Namespace) -> Namespace {
    namespace
        .on("SendToAll", |peer: Peer, Args(said): Args<Said>| async move {
            said.to([peer.namespace().everybody()]).await
        })
        .on(
            "SendToAllExcept",
            |peer: Peer, Args(SaidTo(ids, said)): Args<SaidTo<Ids>>| async move {
                said.to([without(peer.namespace().everybody(), ids)]).await
            },
        )
        .on("SendToCaller", |peer: Peer, Args(said): Args<Said>| async move {
            said.to([peer.namespace().to(peer.id())]).await
        })
        .on("SendToOthers", |peer: Peer, Args(said): Args<Said>| async move {
            said.to([peer.others()]).await
        })
        .on("SendToConnection", to_each(|hub, id| hub.to(id)))
        .on("SendToConnections", to_all_of(|hub, id| hub.to(id)))
        .on("SendToGroup", to_each(|hub, name| hub.to(group(&name))))
        .on("SendToGroups", to_all_of(|hub, name| hub.to(group(&name))))
        .on("SendToUser", to_each(|hub, name| hub.user(&name)))
        .on("SendToUsers", to_all_of(|hub, name| hub.user(&name)))
        .on(
            "SendToOthersInGroup",
            |peer: Peer, Args(SaidTo(name, said)): Args<SaidTo<String>>| async move {
                said.to([peer.to(group(&name))]).await
            },
        )
        .on("SendToGroupExcept", |peer: Peer, Args(said): Args<SaidToGroupExcept>| async move {
            let SaidToGroupExcept(name, SaidTo(ids, said)) = said;
            said.to([without(peer.namespace().to(group(&name)), ids)]).await
        })
}

fn add_groups(namespace: Namespace) -> Namespace {
    namespace
        .on("JoinGroup", |peer: Peer, Args((name,)): Args<(String,)>| async move {
            peer.join(group(&name))
        })
        .on("LeaveGroup", |peer: Peer, Args((name,)): Args<(String,)>| async move {
            peer.leave(&group(&name));
        })
        .on("JoinGroupFor", |peer: Peer, Args((id, name)): Args<(String, String)>| async move {
            peer.namespace().peer(&id).map_or(Ok(()), |other| other.join(group(&name)))
        })
        .on("LeaveGroupFor", |peer: Peer, Args((id, name)): Args<(String, String)>| async move {
            if let Some(other) = peer.namespace().peer(&id) {
                other.leave(&group(&name));
            }
        })
}

type Whom = fn(NamespaceHandle, String) -> Audience;

/// A method that sends to one group, user or connection.
fn to_each(whom: Whom) -> impl omniwire::Handler<(Peer, Args<SaidTo<String>>)> {
    move |peer: Peer, Args(SaidTo(name, said)): Args<SaidTo<String>>| async move {
        said.to([whom(peer.namespace(), name)]).await
    }
}

/// A method that sends to several, to each by itself: as in .NET, who is in two of them
/// hears it twice.
fn to_all_of(whom: Whom) -> impl omniwire::Handler<(Peer, Args<SaidTo<Ids>>)> {
    move |peer: Peer, Args(SaidTo(names, said)): Args<SaidTo<Ids>>| async move {
        said.to(names.into_iter().map(|name| whom(peer.namespace(), name))).await
    }
}

fn without(audience: Audience, ids: Ids) -> Audience {
    ids.into_iter().fold(audience, Audience::except)
}

/// A tag and a payload, which go on as they came.
struct Said(RawArgs);

impl Said {
    async fn to(self, audiences: impl IntoIterator<Item = Audience>) -> Result<(), Failure> {
        for audience in audiences {
            audience.emit(RECEIVE, self.0.clone()).await?;
        }
        Ok(())
    }
}

impl FromArgs for Said {
    const COUNT: Option<usize> = Some(2);

    fn from_args(args: &RawArgs) -> Result<Self, ArgsError> {
        let _: Option<String> = first(args)?;
        Ok(Self(args.clone()))
    }
}

/// The same with whom it is for, which comes first.
struct SaidTo<T>(T, Said);

impl<T: DeserializeOwned> FromArgs for SaidTo<T> {
    const COUNT: Option<usize> = Some(3);

    fn from_args(args: &RawArgs) -> Result<Self, ArgsError> {
        Ok(Self(first(args)?, Said::from_args(&args.skip(1))?))
    }
}

struct SaidToGroupExcept(String, SaidTo<Ids>);

impl FromArgs for SaidToGroupExcept {
    const COUNT: Option<usize> = Some(4);

    fn from_args(args: &RawArgs) -> Result<Self, ArgsError> {
        Ok(Self(first(args)?, SaidTo::from_args(&args.skip(1))?))
    }
}

fn first<T: DeserializeOwned>(args: &RawArgs) -> Result<T, ArgsError> {
    let first = args.get(0).ok_or_else(|| ArgsError::new("too few arguments"))?;
    <(T,)>::from_args(&first).map(|(first,)| first)
}
