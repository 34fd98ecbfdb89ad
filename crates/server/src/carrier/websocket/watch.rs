//! What a WebSocket's peer may do with time: how long a frame and a message may take, how many
//! pings may come. A frame of WebTransport may take as long.

use crate::clock;
use omniwire_session::limits::Limits;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// Watches one connection. It owns timers only while something has come in part.
#[derive(Debug, Default)]
pub(in crate::carrier) struct Watch {
    frame: Timer,
    message: Timer,
}

/// Runs while what has this number is unfinished.
#[derive(Debug, Default)]
struct Timer(Option<(u32, Pin<Box<Sleep>>)>);

impl Timer {
    /// Ready once the same has been unfinished for so long.
    fn poll(
        &mut self,
        unfinished: Option<u32>,
        timeout: Duration,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(number) = unfinished else {
            self.0 = None;
            return Poll::Pending;
        };
        let watched = self.0.take().filter(|(watched, _)| *watched == number);
        let watched = watched.unwrap_or_else(|| (number, Box::pin(tokio::time::sleep(timeout))));
        self.0.insert(watched).1.as_mut().poll(context)
    }
}

impl Watch {
    /// Whether there is nothing to watch.
    pub(super) fn is_idle(&self) -> bool {
        self.frame.0.is_none() && self.message.0.is_none()
    }

    /// We don't read from the peer: it can't help it that what it says stays unfinished.
    pub(in crate::carrier) fn look_away(&mut self) {
        (self.frame, self.message) = Default::default();
    }

    /// Ready once the same frame has been unfinished for so long.
    pub(in crate::carrier) fn poll_frame(
        &mut self,
        unfinished: Option<u32>,
        timeout: Duration,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        self.frame.poll(unfinished, timeout, context)
    }

    /// Ready, and says why, once the same frame or the same message, by the numbers that they have
    /// if they are unfinished, has taken too long.
    pub(super) fn poll_unfinished(
        &mut self,
        (frame, message): (Option<u32>, Option<u32>),
        limits: &Limits,
        context: &mut Context<'_>,
    ) -> Poll<&'static str> {
        if self.poll_frame(frame, limits.frame_timeout, context).is_ready() {
            return Poll::Ready("the frame took too long");
        }
        let late = self.message.poll(message, limits.message_timeout, context);
        late.map(|()| "the message took too long")
    }
}

/// A bucket of tokens, one for each frame, that fills up again with time.
#[derive(Debug, Default)]
pub(super) struct Bucket(Option<Taken>);

/// Of a peer that has sent some.
#[derive(Debug)]
struct Taken {
    count: u32,
    /// When the first of them was given back last.
    since: Instant,
}

impl Bucket {
    /// Whether one more Ping or Pong may come now.
    pub(super) fn allow(&mut self, limits: &Limits) -> bool {
        let burst = limits.control_burst_max.try_into().unwrap_or(u32::MAX);
        let rate = limits.control_rate_max.try_into().unwrap_or(u32::MAX);
        self.take(clock::now(), burst, rate)
    }

    fn take(&mut self, now: Instant, burst: u32, rate: u32) -> bool {
        let taken = self.0.get_or_insert(Taken { count: 0, since: now });
        let elapsed = now.saturating_duration_since(taken.since);
        let back = (elapsed.as_secs_f64() * f64::from(rate)) as u32;
        if back > 0 {
            taken.count = taken.count.saturating_sub(back);
            taken.since = now;
        }
        taken.count = taken.count.saturating_add(1);
        taken.count <= burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (start, mut bucket) = (clock::now(), Bucket::default());
        let mut passed = |at, count: u32| {
            let at = start + Duration::from_millis(at);
            (0..count).filter(|_| bucket.take(at, 10, 5)).count()
        };
        assert_eq!(passed(0, 10), 10);
        assert_eq!(passed(1000, 5), 5);
        assert_eq!(passed(60_000, 11), 10);
    }

    #[test]
    fn time_that_passes_between_two_frames_is_never_lost_for_being_short() {
        let (start, mut bucket) = (clock::now(), Bucket::default());
        // Half the rate, in steps shorter than one token takes to come back.
        let within =
            (0..1000).all(|step| bucket.take(start + Duration::from_millis(step * 400), 10, 5));
        assert!(within);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_same_frame_or_message_runs_out_of_time() {
        let (mut watch, mut limits) = (Watch::default(), Limits::default());
        limits.frame_timeout = Duration::from_secs(30);
        limits.message_timeout = Duration::from_secs(100);
        let poll = async |unfinished, watch: &mut Watch| {
            std::future::poll_fn(|context| {
                Poll::Ready(watch.poll_unfinished(unfinished, &limits, context))
            })
            .await
        };
        let later = || tokio::time::advance(Duration::from_secs(20));
        assert!(poll((Some(1), None), &mut watch).await.is_pending());
        later().await;
        assert!(poll((Some(2), None), &mut watch).await.is_pending());
        later().await;
        assert!(poll((Some(2), None), &mut watch).await.is_pending());
        watch.look_away();
        assert!(poll((Some(2), None), &mut watch).await.is_pending());
        later().await;
        assert!(poll((None, None), &mut watch).await.is_pending());
        assert!(watch.is_idle());
        assert!(poll((Some(3), None), &mut watch).await.is_pending());
        later().await;
        later().await;
        let frame = Poll::Ready("the frame took too long");
        assert_eq!(poll((Some(3), None), &mut watch).await, frame);
        watch.look_away();
        // Each frame is quick, but the message has no end.
        for frame in 4..9 {
            assert!(poll((Some(frame), Some(4)), &mut watch).await.is_pending());
            later().await;
        }
        let message = Poll::Ready("the message took too long");
        assert_eq!(poll((None, Some(4)), &mut watch).await, message);
    }
}
