//! What a WebSocket's peer may do with time: how long a frame may take, how many pings may come.
//! A frame of WebTransport may take as long.

use crate::clock;
use omniwire_session::limits::Limits;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// Watches one connection. It owns a timer only while a frame has come in part.
#[derive(Debug, Default)]
pub(in crate::carrier) struct Watch {
    frame: Option<(u32, Pin<Box<Sleep>>)>,
    pub(super) controls: Bucket,
}

impl Watch {
    pub(super) fn new(controls: Bucket) -> Self {
        Self { frame: None, controls }
    }

    /// Whether there is nothing to watch but the rate of Pings and Pongs.
    pub(super) fn is_idle(&self) -> bool {
        self.frame.is_none()
    }

    /// We don't read from the peer: it can't help it that its frame stays unfinished.
    pub(in crate::carrier) fn look_away(&mut self) {
        self.frame = None;
    }

    /// Ready once the same frame has been unfinished for so long.
    pub(in crate::carrier) fn poll_frame(
        &mut self,
        unfinished: Option<u32>,
        timeout: Duration,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(number) = unfinished else {
            self.frame = None;
            return Poll::Pending;
        };
        let watched = self.frame.take().filter(|(watched, _)| *watched == number);
        let watched = watched.unwrap_or_else(|| (number, Box::pin(tokio::time::sleep(timeout))));
        self.frame.insert(watched).1.as_mut().poll(context)
    }

    /// Whether one more Ping or Pong may come now.
    pub(super) fn allow_control(&mut self, limits: &Limits) -> bool {
        let burst = limits.control_burst_max.try_into().unwrap_or(u32::MAX);
        let rate = limits.control_rate_max.try_into().unwrap_or(u32::MAX);
        self.controls.take(clock::now(), burst, rate)
    }
}

/// A bucket of tokens, one for each frame, that fills up again with time.
#[derive(Debug, Default)]
pub(super) struct Bucket(Option<Box<Taken>>);

/// Of a peer that has sent some.
#[derive(Debug)]
struct Taken {
    count: u32,
    /// When the first of them was given back last.
    since: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant, burst: u32, rate: u32) -> bool {
        let taken = self.0.get_or_insert_with(|| Box::new(Taken { count: 0, since: now }));
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
    async fn only_the_same_frame_runs_out_of_time() {
        let (mut watch, limit) = (Watch::default(), Duration::from_secs(30));
        let poll = async |frame: Option<u32>, watch: &mut Watch| {
            std::future::poll_fn(|context| {
                Poll::Ready(watch.poll_frame(frame, limit, context).is_ready())
            })
            .await
        };
        let later = || tokio::time::advance(Duration::from_secs(20));
        assert!(!poll(Some(1), &mut watch).await);
        later().await;
        assert!(!poll(Some(2), &mut watch).await);
        later().await;
        assert!(!poll(Some(2), &mut watch).await);
        watch.look_away();
        assert!(!poll(Some(2), &mut watch).await);
        later().await;
        assert!(!poll(None, &mut watch).await);
        assert!(!poll(Some(3), &mut watch).await);
        later().await;
        later().await;
        assert!(poll(Some(3), &mut watch).await);
    }
}
