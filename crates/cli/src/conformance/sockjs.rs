//! `--suite sockjs`.

use super::Site;
use omniwire::{BuildError, Omniwire};

pub(super) fn site(_client_url: &str, _port: u16) -> Result<Site, BuildError> {
    Ok(Site::new(Omniwire::builder().build()?))
}
