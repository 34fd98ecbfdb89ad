//! Deadlines.

use std::time::{Duration, Instant};

/// The instant that much after `at`. No deadline is more than a year off, so that a setting that
/// means "never" ([`Duration::MAX`]) is one as well, where a sum would panic.
///
/// ```
/// # use std::time::{Duration, Instant};
/// let now = Instant::now();
/// assert_eq!(omniwire_session::later(now, Duration::from_secs(7)), now + Duration::from_secs(7));
/// assert!(omniwire_session::later(now, Duration::MAX) > now);
/// ```
pub fn later(at: Instant, by: Duration) -> Instant {
    at.checked_add(by.min(YEAR)).unwrap_or(at)
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
