//! `--suite socketio`: everything comes from the environment.

use super::Site;
use crate::Mistake;
use omniwire::Omniwire;

/// The port to take when no flag names one.
pub(super) fn port() -> Result<u16, Mistake> {
    let port = std::env::var("SIO_PORT").unwrap_or_else(|_| "3000".into());
    port.parse().map_err(|_| Mistake(format!("SIO_PORT: '{port}' is no port")))
}

pub(super) fn site() -> Result<Site, Mistake> {
    Ok(Site::new(Omniwire::builder().build()?))
}
