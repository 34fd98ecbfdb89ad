//! `--suite signalr`.

use super::Site;
use omniwire::{BuildError, Omniwire};

pub(super) fn site() -> Result<Site, BuildError> {
    Ok(Site::new(Omniwire::builder().build()?))
}
