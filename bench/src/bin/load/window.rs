//! The stretch of time that is measured.

use crate::server::Server;
use crate::{Common, Result, Span};
use serde::Serialize;
use std::time::{Duration, Instant};

/// What a stretch of time brought.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// Messages that came, each one checked.
    pub(crate) messages: u64,
    pub(crate) seconds: f64,
    /// The server's.
    pub(crate) cpu_seconds: f64,
}

/// Warms up, measures, and says when it is over.
#[derive(Debug)]
pub(crate) struct Window {
    server: Server,
    opens_at: Instant,
    span: Duration,
    opened: Option<(Instant, f64, u64)>,
    figures: Option<Figures>,
}

impl Window {
    pub(crate) fn new(common: &Common, span: &Span) -> Self {
        Self {
            server: Server::new(common.pid),
            opens_at: Instant::now() + Duration::from_secs_f64(span.warm_up_seconds),
            span: Duration::from_secs_f64(span.seconds),
            opened: None,
            figures: None,
        }
    }

    /// To be told often how many messages have come since the start. Whether it is over.
    pub(crate) fn look(&mut self, messages: u64) -> Result<bool> {
        let now = Instant::now();
        match self.opened {
            None if now >= self.opens_at => {
                self.opened = Some((now, self.server.cpu_seconds()?, messages));
            }
            Some((opened_at, cpu, before)) if now >= opened_at + self.span => {
                self.figures = Some(Figures {
                    messages: messages - before,
                    seconds: (now - opened_at).as_secs_f64(),
                    cpu_seconds: self.server.cpu_seconds()? - cpu,
                });
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }

    /// The figures, once it is over.
    pub(crate) fn into_figures(self) -> Option<Figures> {
        self.figures
    }
}
