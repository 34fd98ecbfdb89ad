//! Handlers that fail: what the client is told, and what is written to the log.

use super::PeerCell;
use crate::app::failure::{Cause, Failure};
use crate::clock;
use crate::quoted::quoted;
use omniwire_session::{ByteString, CallError, CallErrorKind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Errors that are logged in a second: a client may make a handler fail as often as it calls it.
const LINES_MAX: u32 = 10;

/// The errors of one second.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Lines {
    /// Whether one more may be written: then, how many were not since the last one.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.duration_since(since) >= Duration::from_secs(1)) {
            (self.since, self.written) = (Some(now), 0);
        }
        if self.written == LINES_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.written = self.written.saturating_add(1);
        Some(std::mem::take(&mut self.left_out))
    }
}

impl PeerCell {
    /// A panic costs one call, and is counted.
    fn count_panic(&self, failure: &Failure) {
        if failure.cause == Cause::Panic {
            self.cell.terms.shared.counters.handler_panics.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts and logs a failure. What a peer brought upon itself is no error of the server's.
    pub(super) fn note(&self, event: &ByteString, failure: &Failure) {
        self.count_panic(failure);
        let (peer, event, error) = (&self.member.id, quoted(&**event), quoted(&failure.message));
        if failure.kind != CallErrorKind::Internal || failure.cause == Cause::Peer {
            return tracing::debug!(%peer, %event, %error, "a handler failed");
        }
        let next = self.cell.terms.shared.failures.lock().next(clock::now());
        if let Some(left_out) = next {
            tracing::error!(%peer, %event, %error, left_out, "a handler failed");
        }
    }

    pub(super) fn call_error(&self, event: &ByteString, failure: Failure) -> CallError {
        self.note(event, &failure);
        let Failure { kind, mut message, .. } = failure;
        let detailed = self.space().handlers.detailed_errors;
        let hidden = matches!(kind, CallErrorKind::Internal | CallErrorKind::BadArguments)
            && self.cell.terms.methods;
        if !detailed && (kind == CallErrorKind::Internal || hidden) {
            message = String::new();
        }
        CallError { kind, event: event.clone(), message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failures_is_no_flood_of_lines() {
        let (mut lines, now) = (Lines::default(), clock::now());
        let written = (0..100).filter(|_| lines.next(now).is_some()).count();
        assert_eq!(written, LINES_MAX as usize);
        let later = now + Duration::from_secs(1);
        assert_eq!(lines.next(later), Some(100 - u64::from(LINES_MAX)));
        assert_eq!(lines.next(later), Some(0));
    }
}
