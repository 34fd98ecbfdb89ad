//! The handshake (`HubProtocol.md`, "Overview": `HandshakeRequest`, `HandshakeResponse`): always
//! JSON that ends with 0x1E, also before MessagePack.

use crate::message::Protocol;
use bytes::{Bytes, BytesMut};
use omniwire_session::{ByteString, Message, json};

/// Reads a handshake request, which comes without its separator. `takes_binary` is whether the
/// transport can carry bytes.
///
/// The error is the text for the client.
pub(crate) fn read(
    record: Bytes,
    takes_binary: bool,
    detailed_errors: bool,
) -> Result<(Protocol, Version), String> {
    let (name, version) = request(record).map_err(|why| match detailed_errors {
        true => format!("{FAILED} InvalidDataException: {why}"),
        false => FAILED.into(),
    })?;
    let protocol = match () {
        () if name.eq_ignore_ascii_case("json") => Protocol::Json,
        () if name.eq_ignore_ascii_case("messagepack") => Protocol::MessagePack,
        () => return Err(format!("The protocol '{name}' is not supported.")),
    };
    if version > 2 {
        return Err(format!(
            "The server does not support version {version} of the '{name}' protocol."
        ));
    }
    if protocol == Protocol::MessagePack && !takes_binary {
        return Err(format!(
            "Cannot use the '{name}' protocol on the current transport. \
             The transport does not support 'Binary' transfer format."
        ));
    }
    Ok((protocol, if version == 2 { Version::V2 } else { Version::V1 }))
}

/// Versions of the hub protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    /// Knows `Ack` and `Sequence`; asked for after stateful reconnect was granted.
    V2,
}

/// The response that ends a good handshake.
pub(crate) fn accepted(protocol: Protocol) -> Message {
    match protocol {
        Protocol::Json => Message::Text(ByteString::from_static("{}\u{1e}")),
        Protocol::MessagePack => Message::Binary(Bytes::from_static(b"{}\x1e")),
    }
}

/// The response that ends a bad one.
pub(crate) fn refused(text: &str) -> Message {
    let mut out = BytesMut::with_capacity(text.len().saturating_add(16));
    out.extend_from_slice(b"{\"error\":");
    json::write_str(&mut out, text);
    out.extend_from_slice(b"}\x1e");
    Message::Text(json::into_text(out))
}

fn request(record: Bytes) -> Result<(ByteString, i32), &'static str> {
    const NO_JSON: &str = "Error reading JSON.";
    let object = ByteString::try_from(record).map_err(|_| NO_JSON)?;
    let (mut name, mut version) = (None, None);
    for (member, value) in json::member_slices(&object).map_err(|_| NO_JSON)? {
        match &*member {
            "protocol" => {
                let value = crate::json::string(&object, value);
                name = Some(value.ok_or("Expected 'protocol' to be of type String.")?);
            }
            "version" => {
                let value = crate::json::int(value);
                version = Some(value.ok_or("Expected 'version' to be of type Number.")?);
            }
            _ => {}
        }
    }
    let name = name.ok_or("Missing required property 'protocol'.")?;
    Ok((name, version.ok_or("Missing required property 'version'.")?))
}

/// The handshake did not end in time, or not within the size limit.
pub(crate) const CANCELED: &str = "Handshake was canceled.";

const FAILED: &str = "An unexpected error occurred during connection handshake.";

#[cfg(test)]
mod tests;
