//! The one clock of everything that this crate drives.

use std::time::Instant;

/// Now, by the runtime's clock: a runtime whose time is paused, as in tests and in the simulator,
/// decides how late it is for sessions, timers and histories as well.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
