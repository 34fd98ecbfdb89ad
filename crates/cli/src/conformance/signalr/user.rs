//! Users, by their tokens. Each is a room that his connections are in.

use omniwire::{Denied, RequestInfo};

/// Who a connection belongs to.
pub(super) struct User(pub(super) String);

impl User {
    /// `Authorization: Bearer token-NAME`, or `access_token=token-NAME` in the query.
    pub(super) fn of(request: &RequestInfo) -> Option<Self> {
        let header =
            request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let token = header.map(str::to_owned).or_else(|| request.query_value("access_token"))?;
        let name = token.strip_prefix("token-").filter(|name| !name.is_empty())?;
        Some(Self(name.to_owned()))
    }

    pub(super) fn room(&self) -> String {
        room(&self.0)
    }
}

/// The room of a user: no group can have the same name.
pub(super) fn room(user: &str) -> String {
    format!("user:{user}")
}

pub(super) fn required(request: &RequestInfo) -> Result<(), Denied> {
    match User::of(request) {
        Some(_) => Ok(()),
        None => Err(Denied::unauthorized("a token is needed")),
    }
}
