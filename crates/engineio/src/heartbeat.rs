//! Who pings whom, and until when the other may keep silent.

use crate::{Config, Protocol};
use omniwire_session::later;
use std::time::Instant;

/// What the heartbeat waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heartbeat {
    /// Protocol 4: the instant to ping at.
    PingAt(Instant),
    /// Protocol 4: the client's pong, until this instant.
    PongBy(Instant),
    /// Protocol 3: the client's next ping, until this instant.
    PingBy(Instant),
}

/// What to do when the heartbeat's instant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// It has not come.
    Wait,
    /// Send a ping.
    Ping,
    /// The client is gone.
    Dead,
}

impl Heartbeat {
    pub(crate) fn new(now: Instant, protocol: Protocol, config: &Config) -> Self {
        match protocol {
            Protocol::V4 => Self::PingAt(later(now, config.ping_interval)),
            Protocol::V3 => {
                Self::PingBy(later(later(now, config.ping_interval), config.ping_timeout))
            }
        }
    }

    pub(crate) fn deadline(self) -> Instant {
        match self {
            Self::PingAt(at) | Self::PongBy(at) | Self::PingBy(at) => at,
        }
    }

    /// The instant may have come.
    pub(crate) fn timeout(&mut self, now: Instant, config: &Config) -> Beat {
        match *self {
            _ if now < self.deadline() => Beat::Wait,
            Self::PingAt(at) => {
                // Counted from when the ping was due, so that a session that says nothing ends
                // when its settings say; but what we were late by is not all the client's loss.
                let by = later(at, config.ping_timeout);
                let half = config.ping_timeout.checked_div(2).unwrap_or_default();
                *self = Self::PongBy(by.max(later(now, half)));
                Beat::Ping
            }
            Self::PongBy(_) | Self::PingBy(_) => Beat::Dead,
        }
    }

    /// The client moved to another connection: what was on its way may be late.
    pub(crate) fn moved(&mut self, now: Instant, config: &Config) {
        if let Self::PongBy(at) = self {
            *at = (*at).max(later(now, config.ping_timeout));
        }
    }

    /// The client was not listened to: its time to speak begins anew.
    pub(crate) fn held_back(&mut self, now: Instant, config: &Config) {
        match self {
            Self::PingAt(_) => {}
            Self::PongBy(_) => self.moved(now, config),
            Self::PingBy(at) => *at = later(later(now, config.ping_interval), config.ping_timeout),
        }
    }
}
