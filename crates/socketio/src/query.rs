//! Namespaces of Socket.IO 2 clients, which carry what later became the auth payload:
//! `/chat?token=x`.

use bytes::BytesMut;
use omniwire_engineio::request;
use omniwire_session::{Args, ByteString, json};
use std::borrow::Cow;

/// Parts a namespace from its query, which becomes an object of strings.
pub(crate) fn split(namespace: &ByteString) -> (ByteString, Args) {
    let Some((name, query)) = namespace.split_once('?') else {
        return (namespace.clone(), Args::default());
    };
    (namespace.slice_ref(name), object(query))
}

/// Of parameters with the same name, the last counts.
fn object(query: &str) -> Args {
    let mut members: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    for (name, value) in request::parameters(query) {
        if let Some(member) = members.iter_mut().find(|(known, _)| *known == name) {
            member.1 = value;
        } else if members.len() < PARAMETERS_MAX {
            members.push((name, value));
        }
    }
    let mut out = BytesMut::with_capacity(query.len().saturating_add(16));
    for (index, (name, value)) in members.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{" } else { b"," });
        json::write_str(&mut out, name);
        out.extend_from_slice(b":");
        json::write_str(&mut out, value);
    }
    if members.is_empty() {
        return Args::default();
    }
    out.extend_from_slice(b"}");
    Args::from_valid_element(json::into_text(out))
}

/// More are left out.
const PARAMETERS_MAX: usize = 100;

#[cfg(test)]
mod tests;
