//! QUIC as `h3-quinn` brings it, with three things that `h3` leaves open made safe.
//!
//! `h3` gathers each frame that is not DATA as a whole before it looks at it, however long it says
//! it is and whatever its type. So frame headers are read here too, as they pass, and a frame that
//! is too long ends the connection (RFC 9114, 10.5). So does a wrong value of the setting for
//! extended CONNECT, which `h3` takes for 1 (RFC 9220, 3). And a receiving stream of `h3-quinn` that
//! waits for more panics when it is to be stopped or asked for its number.

use super::fail;
use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{
    self, BidiStream as _, ConnectionErrorIncoming, RecvStream as _, StreamErrorIncoming, StreamId,
    WriteBuf,
};
use std::task::{Context, Poll, ready};

/// The wire type of DATA, and that which makes a stream one of WebTransport, without further frames
/// (draft-ietf-webtrans-http3, 4.3).
const DATA: u64 = 0x0;
const WEBTRANSPORT_STREAM: u64 = 0x41;

/// The type of a control stream.
const CONTROL: u64 = 0x0;

const SETTINGS: u64 = 0x4;

/// A setting that is 0 or 1.
const ENABLE_CONNECT_PROTOCOL: u64 = 0x8;

/// What is on a stream, as far as it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The type of a unidirectional stream.
    StreamType(Integer),
    FrameType(Integer),
    FrameLen(u64, Integer),
    /// So much is left of SETTINGS, of which an identifier may have come without its value.
    Settings(u64, Option<u64>, Integer),
    Payload(u64),
    /// No frames, or none that `h3` gathers.
    Free,
}

/// A variable-length integer that has come in part (RFC 9000, 16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Integer {
    value: u64,
    len: usize,
    taken: usize,
}

impl Integer {
    /// Takes octets from the front of `octets` until it is whole.
    fn read(&mut self, octets: &mut &[u8]) -> Option<u64> {
        while let Some((&octet, rest)) = octets.split_first() {
            *octets = rest;
            if self.taken == 0 {
                self.len = 1 << (octet >> 6);
                self.value = u64::from(octet & 0x3f);
            } else {
                self.value = (self.value << 8) | u64::from(octet);
            }
            self.taken = self.taken.saturating_add(1);
            if self.taken == self.len {
                return Some(self.value);
            }
        }
        None
    }
}

/// Follows the frames of one stream.
#[derive(Debug)]
struct Follower {
    at: At,
    frame_len_max: u64,
}

/// What ends the connection.
#[derive(Debug, PartialEq, Eq)]
enum Broken {
    /// A frame says that it is longer than a frame may be.
    TooLong,
    Setting,
}

impl Broken {
    const fn told(&self) -> (Code, &'static str) {
        match self {
            Self::TooLong => (Code::H3_EXCESSIVE_LOAD, "a frame is too long"),
            Self::Setting => (Code::H3_SETTINGS_ERROR, "a setting is neither 0 nor 1"),
        }
    }
}

impl Follower {
    fn follow(&mut self, mut octets: &[u8]) -> Result<(), Broken> {
        let octets = &mut octets;
        while !octets.is_empty() {
            self.at = match self.at {
                At::StreamType(mut integer) => match integer.read(octets) {
                    Some(CONTROL) => At::FrameType(Integer::default()),
                    Some(_) => At::Free,
                    None => At::StreamType(integer),
                },
                At::FrameType(mut integer) => match integer.read(octets) {
                    Some(WEBTRANSPORT_STREAM) => At::Free,
                    Some(kind) => At::FrameLen(kind, Integer::default()),
                    None => At::FrameType(integer),
                },
                At::FrameLen(kind, mut integer) => match integer.read(octets) {
                    Some(len) if kind != DATA && len > self.frame_len_max => {
                        return Err(Broken::TooLong);
                    }
                    Some(0) => At::FrameType(Integer::default()),
                    Some(len) if kind == SETTINGS => At::Settings(len, None, Integer::default()),
                    Some(len) => At::Payload(len),
                    None => At::FrameLen(kind, integer),
                },
                At::Settings(left, id, integer) => follow_settings(octets, left, id, integer)?,
                At::Payload(left) => {
                    let skipped = octets.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    *octets = octets.get(skipped..).unwrap_or_default();
                    match left.saturating_sub(skipped as u64) {
                        0 => At::FrameType(Integer::default()),
                        left => At::Payload(left),
                    }
                }
                At::Free => return Ok(()),
            };
        }
        Ok(())
    }
}

/// Reads an identifier or a value, or what has come of it.
fn follow_settings(
    octets: &mut &[u8],
    left: u64,
    id: Option<u64>,
    mut integer: Integer,
) -> Result<At, Broken> {
    let len = octets.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let (mut within, _) = octets.split_at_checked(len).unwrap_or_default();
    let read = integer.read(&mut within);
    let taken = len.saturating_sub(within.len());
    *octets = octets.get(taken..).unwrap_or_default();
    let (id, integer) = match (read, id) {
        (None, id) => (id, integer),
        (Some(value), Some(ENABLE_CONNECT_PROTOCOL)) if value > 1 => return Err(Broken::Setting),
        (Some(_), Some(_)) => (None, Integer::default()),
        (id, None) => (id, Integer::default()),
    };
    Ok(match left.saturating_sub(taken as u64) {
        0 => At::FrameType(Integer::default()),
        left => At::Settings(left, id, integer),
    })
}

/// A connection, or what opens streams on it, whose streams are followed.
pub(super) struct Guarded<T> {
    inner: T,
    quic: quinn::Connection,
    frame_len_max: u64,
}

pub(super) type Connection = Guarded<h3_quinn::Connection>;
pub(super) type SendStream = h3_quinn::SendStream<Bytes>;
type Opener = Guarded<h3_quinn::OpenStreams>;

impl Connection {
    pub(super) fn new(quic: quinn::Connection, frame_len_max: usize) -> Self {
        let inner = h3_quinn::Connection::new(quic.clone());
        Self { inner, quic, frame_len_max: frame_len_max as u64 }
    }
}

impl<T> Guarded<T> {
    fn receiving(&self, inner: h3_quinn::RecvStream, at: At) -> RecvStream {
        let frames = Follower { at, frame_len_max: self.frame_len_max };
        let (id, quic) = (inner.recv_id(), self.quic.clone());
        RecvStream { inner: Some(inner), id, waits: false, frames, quic }
    }

    fn both(&self, inner: h3_quinn::BidiStream<Bytes>) -> BidiStream {
        let (sending, receiving) = inner.split();
        BidiStream { sending, receiving: self.receiving(receiving, FRAMES) }
    }
}

impl quic::Connection<Bytes> for Connection {
    type RecvStream = RecvStream;
    type OpenStreams = Opener;

    fn poll_accept_recv(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<RecvStream, ConnectionErrorIncoming>> {
        let inner = ready!(quic::Connection::<Bytes>::poll_accept_recv(&mut self.inner, context))?;
        Poll::Ready(Ok(self.receiving(inner, At::StreamType(Integer::default()))))
    }

    fn poll_accept_bidi(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<BidiStream, ConnectionErrorIncoming>> {
        let inner = ready!(quic::Connection::<Bytes>::poll_accept_bidi(&mut self.inner, context))?;
        Poll::Ready(Ok(self.both(inner)))
    }

    fn opener(&self) -> Opener {
        let inner = quic::Connection::<Bytes>::opener(&self.inner);
        Guarded { inner, quic: self.quic.clone(), frame_len_max: self.frame_len_max }
    }
}

impl<T> quic::OpenStreams<Bytes> for Guarded<T>
where
    T: quic::OpenStreams<Bytes, SendStream = SendStream, BidiStream = h3_quinn::BidiStream<Bytes>>,
{
    type BidiStream = BidiStream;
    type SendStream = SendStream;

    fn poll_open_bidi(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<BidiStream, StreamErrorIncoming>> {
        let inner = ready!(self.inner.poll_open_bidi(context))?;
        Poll::Ready(Ok(self.both(inner)))
    }

    fn poll_open_send(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<SendStream, StreamErrorIncoming>> {
        self.inner.poll_open_send(context)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.inner.close(code, reason);
    }
}

/// The receiving half of a stream.
pub(super) struct RecvStream {
    /// `None`: it was stopped while it waited, which is to drop it.
    inner: Option<h3_quinn::RecvStream>,
    id: StreamId,
    waits: bool,
    frames: Follower,
    quic: quinn::Connection,
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(Ok(None)) };
        let polled = inner.poll_data(context);
        self.waits = polled.is_pending();
        let data = ready!(polled)?;
        if let Err(broken) = self.frames.follow(data.as_deref().unwrap_or_default()) {
            let (code, why) = broken.told();
            fail(&self.quic, code, why);
            self.inner = None;
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(Ok(data))
    }

    fn stop_sending(&mut self, code: u64) {
        match &mut self.inner {
            Some(inner) if !self.waits => inner.stop_sending(code),
            _ => self.inner = None,
        }
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

/// A stream of a request.
pub(super) struct BidiStream {
    sending: SendStream,
    receiving: RecvStream,
}

impl quic::BidiStream<Bytes> for BidiStream {
    type SendStream = SendStream;
    type RecvStream = RecvStream;

    fn split(self) -> (SendStream, RecvStream) {
        (self.sending, self.receiving)
    }
}

impl quic::RecvStream for BidiStream {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receiving.poll_data(context)
    }

    fn stop_sending(&mut self, code: u64) {
        self.receiving.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.receiving.recv_id()
    }
}

impl quic::SendStream<Bytes> for BidiStream {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.sending.poll_ready(context)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.sending.send_data(data)
    }

    fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.sending.poll_finish(context)
    }

    fn reset(&mut self, code: u64) {
        self.sending.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.sending.send_id()
    }
}

impl quic::SendStreamUnframed<Bytes> for BidiStream {
    fn poll_send<D: Buf>(
        &mut self,
        context: &mut Context<'_>,
        octets: &mut D,
    ) -> Poll<Result<usize, StreamErrorIncoming>> {
        self.sending.poll_send(context, octets)
    }
}

/// The state of a stream that begins with a frame.
const FRAMES: At = At::FrameType(Integer { value: 0, len: 0, taken: 0 });

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::future::poll_fn;

    fn follower(at: At) -> Follower {
        Follower { at, frame_len_max: 100 }
    }

    #[test]
    fn rfc9114_10_5_a_frame_may_be_so_long_and_no_longer() {
        // SETTINGS of 100 octets, then one of 101; HEADERS of 2^62 - 1; a type that nobody knows.
        assert_eq!(follower(FRAMES).follow(&[&[4, 0x40, 100][..], &[0; 100]].concat()), Ok(()));
        assert_eq!(follower(FRAMES).follow(&[4, 0x40, 101]), Err(Broken::TooLong));
        let whole = [&[1][..], &[0xff; 8]].concat();
        assert_eq!(follower(FRAMES).follow(&whole), Err(Broken::TooLong));
        assert_eq!(follower(FRAMES).follow(&[0x21, 0x40, 101]), Err(Broken::TooLong));
        let second = [&[0x21, 3, 1, 2, 3][..], &[1, 0x40, 101]].concat();
        assert_eq!(follower(FRAMES).follow(&second), Err(Broken::TooLong));
    }

    #[test]
    fn rfc9220_3_the_setting_for_extended_connect_is_0_or_1() {
        let settings = |settings: &[u8]| {
            let frame = [&[0, 4, settings.len() as u8][..], settings, &[0x21, 1, 2]].concat();
            follower(At::StreamType(Integer::default())).follow(&frame)
        };
        for good in [&[8, 0][..], &[8, 1], &[6, 8, 8, 1], &[1, 0x40, 0x08, 7, 5], &[6, 2, 0x33, 2]]
        {
            assert_eq!(settings(good), Ok(()), "{good:?}");
        }
        for bad in [&[8, 2][..], &[6, 1, 8, 0x40, 0x64], &[0x40, 8, 3]] {
            assert_eq!(settings(bad), Err(Broken::Setting), "{bad:?}");
        }
    }

    #[test]
    fn data_may_have_any_length_and_hides_nothing_behind_it() {
        let mut follower = follower(FRAMES);
        assert_eq!(follower.follow(&[0, 0x80, 0, 4, 0]), Ok(()));
        for _ in 0..1024 {
            assert_eq!(follower.follow(&[0xff]), Ok(()));
        }
        assert_eq!(follower.at, FRAMES);
        assert_eq!(follower.follow(&[1, 0x40, 101]), Err(Broken::TooLong));
    }

    #[test]
    fn only_control_streams_have_frames_among_those_of_one_direction() {
        let kind =
            |kind: u8| follower(At::StreamType(Integer::default())).follow(&[kind, 4, 0x7f, 0xff]);
        assert_eq!(kind(0), Err(Broken::TooLong));
        // What is on them is not gathered: the encoder's, one of WebTransport, one that nobody knows.
        assert!([2, 0x21].into_iter().all(|other| kind(other) == Ok(())));
        assert_eq!(follower(FRAMES).follow(&[0x40, 0x41, 0, 0xff, 0xff, 0xff]), Ok(()));
    }

    /// Two ends of a connection: the client's, which its endpoint lives with, and the server's.
    async fn connected() -> (quinn::Endpoint, quinn::Connection, quinn::Connection) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
        let key = rustls::pki_types::PrivateKeyDer::try_from(key).unwrap();
        let config = quinn::ServerConfig::with_single_cert(vec![certificate.clone()], key).unwrap();
        let local = "127.0.0.1:0".parse().unwrap();
        let server = quinn::Endpoint::server(config, local).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        let config = quinn::ClientConfig::with_root_certificates(roots.into()).unwrap();
        let client = quinn::Endpoint::client(local).unwrap();
        let connecting =
            client.connect_with(config, server.local_addr().unwrap(), "localhost").unwrap();
        let accepting = async { server.accept().await.unwrap().await.unwrap() };
        let (ours, theirs) = tokio::join!(connecting, accepting);
        (client, ours.unwrap(), theirs)
    }

    #[tokio::test]
    async fn a_stream_that_waits_for_more_can_be_stopped() {
        let (_endpoint, client, server) = connected().await;
        let (mut sending, _receiving) = client.open_bi().await.unwrap();
        sending.write_all(&[0x21]).await.unwrap();
        let mut server = Connection::new(server, 100);
        let accept = poll_fn(|context| quic::Connection::poll_accept_bidi(&mut server, context));
        let Ok(mut stream) = accept.await else { panic!("no stream") };
        let data = poll_fn(|context| stream.poll_data(context)).await.unwrap();
        assert_eq!(data.unwrap(), &[0x21][..]);
        let waits = poll_fn(|context| Poll::Ready(stream.poll_data(context).is_pending()));
        assert!(waits.await);
        stream.recv_id();
        stream.stop_sending(Code::H3_REQUEST_CANCELLED.value());
        assert!(sending.stopped().await.unwrap().is_some());
    }

    proptest! {
        #[test]
        fn octets_may_come_in_any_pieces(octets: Vec<u8>, cut in 0_usize..64) {
            let (mut whole, mut pieces) = (follower(FRAMES), follower(FRAMES));
            let once = whole.follow(&octets);
            let (first, rest) = octets.split_at(cut.min(octets.len()));
            let twice = pieces.follow(first).and_then(|()| pieces.follow(rest));
            prop_assert_eq!(&once, &twice);
            if once.is_ok() {
                prop_assert_eq!(whole.at, pieces.at);
            }
        }
    }
}
