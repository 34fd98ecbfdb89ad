//! How long to wait before connecting anew.

use std::time::Duration;

/// The delays between attempts to reconnect (RFC 6455 section 7.2.3): the first is random, so that
/// the clients of a server that went away do not come back all at once; then they grow to twice as
/// much each time, up to a limit, and are still random in their upper half.
///
/// ```
/// use std::time::Duration;
/// use omniwire_websocket::Backoff;
///
/// let mut backoff = Backoff::default();
/// // Randomness is passed in, from 0 to u32::MAX; by what crate is the program's choice.
/// assert_eq!(backoff.next_delay(0), Duration::ZERO);
/// assert_eq!(backoff.next_delay(u32::MAX), Duration::from_secs(10));
/// assert_eq!(backoff.next_delay(0), Duration::from_secs(10));
/// backoff.reset(); // connected
/// assert!(backoff.next_delay(u32::MAX) <= Duration::from_secs(5));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The most that the first attempt waits. The RFC suggests five seconds.
    pub first_max: Duration,
    /// The most that any attempt waits.
    pub max: Duration,
    attempts: u32,
}

/// 0 to 5 s, then 5 to 10, 10 to 20, 20 to 40, and 30 to 60 from then on.
impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(5), Duration::from_secs(60))
    }
}

impl Backoff {
    /// With these limits of the first delay and of all.
    #[must_use]
    pub const fn new(first_max: Duration, max: Duration) -> Self {
        Self { first_max, max, attempts: 0 }
    }

    /// How long to wait now, by a random number.
    pub fn next_delay(&mut self, random: u32) -> Duration {
        let factor = 2u32.saturating_pow(self.attempts);
        let most = self.first_max.saturating_mul(factor).min(self.max);
        let least = if self.attempts == 0 {
            Duration::ZERO
        } else {
            most.checked_div(2).unwrap_or_default()
        };
        self.attempts = self.attempts.saturating_add(1);
        let share = f64::from(random) / f64::from(u32::MAX);
        least.saturating_add(most.saturating_sub(least).mul_f64(share))
    }

    /// The connection stands: the next delay is a first one.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests;
