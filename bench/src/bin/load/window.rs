//! The stretch of time that is measured.

use crate::client::Traffic;
use crate::server::{Server, segments_sent};
use crate::{Failure, Result, Span};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::{Duration, Instant};

/// What a stretch of time brought.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// Messages that came, each one checked.
    messages: u64,
    seconds: f64,
    /// The server's.
    cpu_seconds: f64,
    /// Octets that it sent for them and got, without TCP's own.
    octets_in: u64,
    octets_out: u64,
    /// Octets of the messages that came, before compression; where that is measured.
    content_len: u64,
    /// TCP segments with data that it sent: over loopback one for each of its writes.
    segments: u64,
    /// From a message's write to its reading, in microseconds; where that is measured.
    #[serde(flatten)]
    latency: Option<Latency>,
    /// Bytes of memory that the server has for each connection; where that is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member_len: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
}

/// Warms up, measures, and says when it is over.
#[derive(Debug)]
pub(crate) struct Window {
    server: Server,
    opens_at: Instant,
    span: Duration,
    look_again_at: Instant,
    opened: Option<Opened>,
    figures: Option<Figures>,
    /// In nanoseconds.
    latencies: Histogram<u32>,
}

/// How things stood when it opened.
#[derive(Debug)]
struct Opened {
    at: Instant,
    cpu_seconds: f64,
    messages: u64,
    traffic: Traffic,
    segments: u64,
}

impl Window {
    pub(crate) fn new(pid: u32, span: &Span) -> Self {
        Self {
            server: Server::new(pid),
            opens_at: Instant::now() + Duration::from_secs_f64(span.warm_up_seconds),
            span: Duration::from_secs_f64(span.seconds),
            look_again_at: Instant::now(),
            opened: None,
            figures: None,
            latencies: Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3)
                .expect("the bounds are valid"),
        }
    }

    /// How long one message took; counts while the window is open.
    pub(crate) fn record(&mut self, latency: Duration) {
        if self.opened.is_some() && self.figures.is_none() {
            self.latencies.saturating_record(latency.as_nanos() as u64);
        }
    }

    /// To be told often how many messages have come since the start. Whether it is over.
    pub(crate) fn look(&mut self, messages: u64, traffic: Traffic) -> Result<bool> {
        let now = Instant::now();
        match &self.opened {
            None if now >= self.opens_at => {
                let (cpu_seconds, segments) = (self.server.cpu_seconds()?, segments_sent()?);
                self.look_again_at = now + self.span;
                self.opened = Some(Opened { at: now, cpu_seconds, messages, traffic, segments });
            }
            Some(opened) if now >= self.look_again_at => {
                let cpu_seconds = self.server.cpu_seconds()? - opened.cpu_seconds;
                let is_enough = cpu_seconds >= self.span.as_secs_f64() * CPU_SHARE_MIN;
                if !is_enough && now < opened.at + self.span * SPANS_MAX {
                    // Others have the processor: the server has done too little to tell.
                    self.look_again_at = now + self.span / 4;
                    return Ok(false);
                }
                let ours = traffic.writes - opened.traffic.writes;
                self.figures = Some(Figures {
                    messages: messages - opened.messages,
                    seconds: (now - opened.at).as_secs_f64(),
                    cpu_seconds,
                    octets_in: traffic.octets_in - opened.traffic.octets_in,
                    octets_out: traffic.octets_out - opened.traffic.octets_out,
                    content_len: traffic.content_len - opened.traffic.content_len,
                    segments: (segments_sent()? - opened.segments).saturating_sub(ours),
                    latency: self.latency(),
                    member_len: None,
                });
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }

    fn latency(&self) -> Option<Latency> {
        let at = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1e3;
        let latency = || Latency { p50_us: at(0.5), p99_us: at(0.99), p999_us: at(0.999) };
        (!self.latencies.is_empty()).then(latency)
    }

    /// The figures, once it is over.
    pub(crate) fn into_figures(self) -> Result<Figures> {
        self.figures.ok_or_else(|| Failure::new("it ended before it was measured"))
    }
}

/// A minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// What share of the time the server has to be at work, or the time is made longer.
const CPU_SHARE_MIN: f64 = 0.4;

/// So much longer at most.
const SPANS_MAX: u32 = 5;
