//! The parts that the contract's events are made of.

use omniwire::{ArgsError, Audience, ByteString, FromArgs, Peer, RawArgs, Relayed};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The argument with this index; `null` if it was left out.
pub(super) fn read<T: DeserializeOwned>(args: &RawArgs, index: usize) -> Result<T, ArgsError> {
    let arg = args.get(index).unwrap_or_default();
    let (value,) = FromArgs::from_args(&arg)?;
    Ok(value)
}

/// One room, several, or (`null`) none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rooms {
    None,
    One(String),
    Many(Vec<String>),
}

/// The rooms that the argument with this index names.
pub(super) fn rooms(args: &RawArgs, index: usize) -> Result<Vec<String>, ArgsError> {
    Ok(match read(args, index)? {
        Rooms::None => Vec::new(),
        Rooms::One(room) => vec![room],
        Rooms::Many(rooms) => rooms,
    })
}

/// `ev ...a`, from the argument with this index on.
pub(super) fn event(args: &RawArgs, index: usize) -> Result<(ByteString, RawArgs), ArgsError> {
    let name: String = read(args, index)?;
    Ok((name.into(), args.skip(index + 1)))
}

/// The members of these rooms; all of the audience if there are none.
pub(super) fn within(audience: Audience, rooms: Vec<String>) -> Audience {
    rooms.into_iter().fold(audience, Audience::and)
}

/// The namespace's peers in the rooms that the argument with this index names.
pub(super) fn at(peer: &Peer, args: &RawArgs, index: usize) -> Result<Audience, ArgsError> {
    Ok(within(peer.namespace().everybody(), rooms(args, index)?))
}

/// A peer's rooms, sorted.
pub(super) fn sorted_rooms(peer: &Peer) -> Vec<String> {
    let mut rooms: Vec<_> = peer.rooms().iter().map(ToString::to_string).collect();
    rooms.sort_unstable();
    rooms
}

/// What the client sent along when it entered; an empty object if that was nothing.
pub(super) fn auth(peer: &Peer) -> Relayed {
    or_empty(peer.auth())
}

/// One argument, or an empty object in place of none.
pub(super) fn or_empty(args: &RawArgs) -> Relayed {
    if args.is_empty() {
        return Relayed(RawArgs::from_valid_element(ByteString::from_static("{}")));
    }
    Relayed(args.clone())
}
