//! The attacks, by what they are aimed at.

mod closing;
mod deflate;
mod flow;
mod frames;
mod handshake;
mod http1;
mod http2;
mod http3;
mod plain;
mod signalr;
mod socketio;
mod sockjs;

use crate::attack::Attack;

/// All of them, in the order in which they run.
pub(crate) fn all() -> Vec<Attack> {
    [
        handshake::ATTACKS,
        frames::ATTACKS,
        flow::ATTACKS,
        deflate::ATTACKS,
        closing::ATTACKS,
        http1::ATTACKS,
        socketio::ATTACKS,
        sockjs::ATTACKS,
        signalr::ATTACKS,
        plain::ATTACKS,
        http2::ATTACKS,
        http3::ATTACKS,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn each_bites_without_its_defence_or_says_why_that_stays() {
        for attack in all() {
            let name = attack.name;
            assert_eq!(attack.bites(), attack.stays.is_empty(), "{name}: one or the other");
        }
    }
}
