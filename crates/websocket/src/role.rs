//! Which end of the connection we are.

/// Which end of the connection we are: it decides who masks (RFC 6455 section 5.1) and who closes
/// TCP first (section 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We took the connection: what we receive is masked, what we send is not.
    Server,
    /// We made the connection: what we send is masked, what we receive is not.
    Client,
}

impl Role {
    /// Whether we are the server.
    #[must_use]
    pub const fn is_server(self) -> bool {
        matches!(self, Self::Server)
    }
}
