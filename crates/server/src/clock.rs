//! The one clock of everything that this crate drives.

use omniwire_session::later;
use std::num::NonZeroU64;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Now, by the runtime's clock: a runtime whose time is paused, as in tests and in the simulator,
/// decides how late it is for sessions, timers and histories as well.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// That much from now, as the runtime's timers count.
pub(crate) fn deadline(within: Duration) -> tokio::time::Instant {
    later(now(), within).into()
}

/// An instant in half the room, also where there may be none: every session has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(NonZeroU64);

impl Stamp {
    /// As nanoseconds around [`ZERO`].
    pub(crate) fn of(instant: Instant) -> Self {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let at = match instant.checked_duration_since(*ZERO) {
            Some(later) => ORIGIN.get().saturating_add(nanos(later)),
            None => ORIGIN.get().saturating_sub(nanos(ZERO.saturating_duration_since(instant))),
        };
        Self(NonZeroU64::new(at).unwrap_or(NonZeroU64::MIN))
    }

    pub(crate) fn instant(self) -> Instant {
        let (at, origin) = (self.0.get(), ORIGIN.get());
        match at.checked_sub(origin) {
            Some(by) => ZERO.checked_add(Duration::from_nanos(by)),
            None => ZERO.checked_sub(Duration::from_nanos(origin.saturating_sub(at))),
        }
        .unwrap_or(*ZERO)
    }
}

static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The stamp of [`ZERO`].
const ORIGIN: NonZeroU64 = NonZeroU64::new(1 << 62).unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_its_instant_before_and_after_the_first_one() {
        let now = Instant::now();
        let (early, late) = (now - Duration::from_micros(7), now + Duration::from_secs(1 << 30));
        for instant in [early, now, late] {
            assert_eq!(Stamp::of(instant).instant(), instant);
        }
        assert!(Stamp::of(early) < Stamp::of(now) && Stamp::of(now) < Stamp::of(late));
        assert_eq!(size_of::<Option<Stamp>>(), 8);
    }
}
