//! Users, by their tokens.

use omniwire::{Denied, RequestInfo};

/// `Authorization: Bearer token-NAME`, or `access_token=token-NAME` in the query.
pub(super) fn of(request: &RequestInfo) -> Option<String> {
    let header = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = header.map(str::to_owned).or_else(|| request.query_value("access_token"))?;
    let name = token.strip_prefix("token-").filter(|name| !name.is_empty())?;
    Some(name.to_owned())
}

pub(super) fn required(request: &RequestInfo) -> Result<(), Denied> {
    match of(request) {
        Some(_) => Ok(()),
        None => Err(Denied::unauthorized("a token is needed")),
    }
}
