//! One SignalR connection: handshake, hub messages, keep-alive, and its end.

use crate::handshake::Version;
use crate::message::{HubMessage, Invocation, Protocol};
use crate::record::{Framing, RecordError, Records};
use crate::{Config, answers, control, error_text, handshake, json, msgpack, wire};
use bytes::{Bytes, BytesMut};
use omniwire_session::{
    Args, ByteString, Call, CallError, CallErrorKind, CallId, Carrier, CarrierId, Ending, Event,
    Fault, Frame, Input, Link, Message, Outgoing, Output, Outputs, Packed, Reason, Refusal,
    Returning, Session, later,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

pub(crate) mod ledger;
mod pack;
mod transport;
use ledger::Ledger;
use transport::Attached;

/// A connection that negotiate made, or a WebSocket that skipped it.
///
/// ```text
///            first transport        handshake                  Close, error, time-out
///   Waiting ───────────────▶ Handshake ─────────▶ Open ───────────────────────▶ Closed
///                                   └───────────────┴─▶ Farewell (long polling) ──▲
/// ```
///
/// With stateful reconnect it stays `Open` while one WebSocket has broken off and the next has yet
/// to come.
///
/// ```
/// use omniwire_session::{Carrier, CarrierId, Event, Input, Message, Output, Session};
/// use omniwire_signalr::{Config, SignalRSession};
/// # let now = std::time::Instant::now();
/// let mut session = SignalRSession::new(Config::default().into(), now);
/// let mut drive = |input| {
///     session.handle_input(now, input).unwrap();
///     std::iter::from_fn(|| match session.poll_output() {
///         Output::Timeout(_) => None,
///         output => Some(output),
///     })
///     .collect::<Vec<_>>()
/// };
/// let id = CarrierId::new(1);
/// drive(Input::Attach { id, carrier: Carrier::WebSocket });
/// let message = Message::text("{\"protocol\":\"json\",\"version\":1}\u{1e}");
/// let outputs = drive(Input::Message { id, message });
/// assert!(matches!(
///     &outputs[..],
///     [Output::Transmit(Message::Text(text)), Output::Event(Event::Enter { .. })]
///         if *text == "{}\u{1e}"
/// ));
/// ```
#[derive(Debug)]
pub struct SignalRSession {
    config: Arc<Config>,
    phase: Phase,
    attached: Option<Attached>,
    records: Records,
    outputs: Outputs,
    /// Negotiate granted stateful reconnect.
    stateful: bool,
    /// Kept from the handshake on, with stateful reconnect.
    ledger: Option<Box<Ledger>>,
    /// Names of client streams that look like ids of our own calls, so that a completion of one
    /// is not taken for an answer. No known client makes such names.
    odd_streams: Option<Box<OddStreams>>,
}

#[derive(Debug, Default)]
struct OddStreams {
    names: Vec<ByteString>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// There is no transport yet. What is POSTed is kept.
    Waiting { until: Instant },
    /// The client has to say which protocol it speaks.
    Handshake { until: Instant },
    /// Hub messages go both ways.
    Open {
        protocol: Protocol,
        /// When to ping; never on long polling.
        next_ping: Option<Instant>,
        /// When to give up on the client; set by its first ping, never on long polling.
        silent_until: Option<Instant>,
    },
    /// It is over, but a poll has yet to bring the Close message (`unsent`) or the news.
    Farewell { reason: Reason, unsent: bool },
    /// It is over.
    Closed,
}

impl SignalRSession {
    /// A connection without a transport.
    pub fn new(config: Arc<Config>, now: Instant) -> Self {
        Self {
            phase: Phase::Waiting { until: later(now, config.disconnect_timeout) },
            attached: None,
            records: Records::new(config.message_len_max),
            outputs: Outputs::new(),
            stateful: false,
            ledger: None,
            odd_streams: None,
            config,
        }
    }

    /// The client asked negotiate for stateful reconnect, and may have it: if its WebSocket breaks
    /// off, it may come back on another one, and nothing is lost.
    #[must_use]
    pub fn stateful(mut self) -> Self {
        self.stateful = true;
        self
    }

    /// Whether the connection is over: its token means nothing any more.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn transmit(&mut self, message: Message) {
        self.outputs.push_back(Output::Transmit(message));
    }

    /// Sends what stateful reconnect does not number: nothing holds it back, and it is not sent
    /// again.
    fn say(&mut self, message: Message) {
        self.outputs.push_back(match (&self.ledger, self.attached) {
            (Some(_), Some(Attached::WebSocket(id))) => Output::Direct { id, message },
            _ => Output::Transmit(message),
        });
    }

    /// The body of a POST.
    fn body(&mut self, now: Instant, body: Bytes) -> Result<(), Fault> {
        match (&self.attached, self.phase) {
            (_, Phase::Closed) => return Err(answers::no_connection()),
            (Some(Attached::WebSocket(_)), _) => return Err(answers::send_on_web_socket()),
            // ASP.NET Core lets the POST wait here until a transport makes room.
            (None, _) if self.records.waiting_len().saturating_add(body.len()) > KEPT_LEN_MAX => {
                return Err(Fault::new(413, "Too much was sent before the first poll."));
            }
            _ => {}
        }
        self.receive(now, body);
        Ok(())
    }

    fn receive(&mut self, now: Instant, bytes: Bytes) {
        self.records.push(bytes);
        loop {
            match self.phase {
                Phase::Waiting { .. } => return,
                Phase::Handshake { .. } => match self.records.next() {
                    Ok(Some(record)) => self.shake_hands(now, record),
                    Ok(None) => return,
                    Err(_) => self.refuse_handshake(handshake::CANCELED, Reason::ProtocolError),
                },
                Phase::Open { protocol, .. } => match self.records.next() {
                    Ok(Some(record)) => self.hub_message(now, protocol, record),
                    Ok(None) => return,
                    Err(RecordError::TooLong) => self.fail_too_long(),
                    Err(RecordError::BadPrefix) => self.fail("Bad length prefix."),
                },
                Phase::Farewell { .. } | Phase::Closed => return self.records.clear(),
            }
        }
    }

    /// `HubProtocol.md`, "Overview": the first record is the handshake request.
    fn shake_hands(&mut self, now: Instant, record: Bytes) {
        let takes_binary = !matches!(self.attached, Some(Attached::EventStream(_)));
        let read = handshake::read(record, takes_binary, self.config.detailed_errors);
        let (protocol, version) = match read {
            Ok(read) => read,
            Err(text) => return self.refuse_handshake(&text, Reason::ProtocolError),
        };
        let is_web_socket = matches!(self.attached, Some(Attached::WebSocket(_)));
        if self.stateful && is_web_socket && version == Version::V2 {
            self.ledger = Some(Box::new(Ledger::new(self.config.stateful_len_max)));
        }
        self.records.set_framing(match protocol {
            Protocol::Json => Framing::Separated,
            Protocol::MessagePack => Framing::Prefixed,
        });
        let pings = !matches!(self.attached, Some(Attached::LongPoll { .. }));
        self.phase = Phase::Open {
            protocol,
            next_ping: pings.then(|| later(now, self.config.keep_alive_interval)),
            silent_until: None,
        };
        self.say(handshake::accepted(protocol));
        self.emit(Event::Enter {
            link: Link::FIRST,
            namespace: ByteString::new(),
            auth: Args::default(),
            wire: protocol.wire(),
            returning: Returning::No,
        });
    }

    fn refuse_handshake(&mut self, text: &str, reason: Reason) {
        self.end(reason, Some(handshake::refused(text)));
    }

    fn hub_message(&mut self, now: Instant, protocol: Protocol, record: Bytes) {
        let decoded = match protocol {
            Protocol::Json => json::decode(record),
            Protocol::MessagePack => msgpack::decode(record),
        };
        let message = match decoded {
            Ok(message) => message,
            Err(malformed) => return self.fail(malformed.0),
        };
        self.heard(now, message == HubMessage::Ping);
        if let Some(ledger) = &mut self.ledger
            && message.is_numbered()
            && !ledger.receive(now)
        {
            // Sent again, though it had arrived.
            return;
        }
        self.act_on(now, protocol, message);
    }

    fn act_on(&mut self, now: Instant, protocol: Protocol, message: HubMessage) {
        let link = Link::FIRST;
        match message {
            HubMessage::Invocation(invocation) => self.invocation(invocation),
            HubMessage::Unbindable { id, target, why } => {
                if let Some(id) = id {
                    self.refuse_call(protocol, id, target, why);
                }
            }
            HubMessage::StreamItem { id: stream, item: Ok(item) } => {
                self.emit(Event::Item { link, stream, item });
            }
            HubMessage::StreamItem { id: stream, item: Err(why) } => {
                self.emit(Event::End { link, stream, error: Some(why.into()) });
            }
            HubMessage::Completion { id, outcome } => self.completion(id, outcome),
            HubMessage::Cancel { id } => self.emit(Event::Cancel { link, call: CallId(id) }),
            HubMessage::Close { .. } => {
                let farewell = control::close(protocol, None, false);
                self.leave(Reason::ClientLeft, Some(farewell));
            }
            HubMessage::Ack(number) => self.acknowledged(number),
            HubMessage::Sequence(number) => self.sequence(now, number),
            HubMessage::Ping | HubMessage::Ignored => {}
        }
    }

    /// The client's first ping starts its time-out; every message restarts it.
    fn heard(&mut self, now: Instant, is_ping: bool) {
        let timeout = self.config.client_timeout;
        if let Phase::Open { next_ping: Some(_), silent_until, .. } = &mut self.phase
            && (is_ping || silent_until.is_some())
        {
            *silent_until = Some(later(now, timeout));
        }
    }

    fn invocation(&mut self, invocation: Invocation) {
        let Invocation { target, args, id, streams, wants_stream } = invocation;
        for id in streams.iter().filter(|id| own_call(id).is_some()) {
            let OddStreams { names } = &mut **self.odd_streams.get_or_insert_default();
            if names.len() == ODD_STREAMS_MAX {
                return self.fail("Too many streams.");
            }
            names.push(id.clone());
        }
        self.emit(Event::Message {
            link: Link::FIRST,
            name: target,
            args,
            call: id.map(|id| Call { id: CallId(id), stream: wants_stream }),
            uploads: streams,
        });
    }

    /// Either the end of a stream that the client sends, or the answer to a call of ours.
    fn completion(&mut self, id: ByteString, outcome: Result<Args, ByteString>) {
        let link = Link::FIRST;
        let odd = self.odd_streams.as_mut().and_then(|odd| {
            let at = odd.names.iter().position(|name| *name == id)?;
            Some(odd.names.swap_remove(at))
        });
        if odd.is_some() {
            self.odd_streams.take_if(|odd| odd.names.is_empty());
            self.emit(Event::End { link, stream: id, error: outcome.err() });
        } else if let Some(call) = own_call(&id) {
            self.emit(Event::Reply { link, call, outcome });
        } else {
            self.emit(Event::End { link, stream: id, error: outcome.err() });
        }
    }

    /// Answers a call whose arguments can't be told, which so never reaches the application.
    fn refuse_call(
        &mut self,
        protocol: Protocol,
        id: ByteString,
        target: ByteString,
        why: &'static str,
    ) {
        let message = if self.config.detailed_errors { why } else { "" };
        let error =
            CallError { kind: CallErrorKind::BadArguments, event: target, message: message.into() };
        let what = Outgoing::Reply { call: &CallId(id), outcome: Err(&error) };
        let mut out = BytesMut::new();
        self.transmit(match protocol {
            Protocol::Json => {
                wire::write_json(&mut out, what);
                Message::Text(omniwire_session::json::into_text(out))
            }
            Protocol::MessagePack => {
                msgpack::write(&mut out, what);
                Message::Binary(out.freeze())
            }
        });
    }

    /// The client broke the protocol.
    fn fail(&mut self, why: &str) {
        self.leave_with_error(Reason::ProtocolError, &format!("InvalidDataException: {why}"));
    }

    fn fail_too_long(&mut self) {
        let len = self.config.message_len_max;
        self.fail(&format!(
            "The maximum message size of {len}B was exceeded. \
             The message size can be configured in AddHubOptions."
        ));
    }

    /// The end that clients with automatic reconnect come back from.
    fn leave_with_error(&mut self, reason: Reason, detail: &str) {
        let text = match self.config.detailed_errors {
            true => format!("{} {detail}", error_text::CLOSED),
            false => error_text::CLOSED.into(),
        };
        let farewell = self.close_message(Some(&text), true);
        self.leave(reason, farewell);
    }

    fn close_message(&self, error: Option<&str>, allow_reconnect: bool) -> Option<Message> {
        match self.phase {
            Phase::Open { protocol, .. } => Some(control::close(protocol, error, allow_reconnect)),
            Phase::Handshake { .. } => Some(handshake::refused(handshake::CANCELED)),
            _ => None,
        }
    }

    /// Tells the application, if it knows the peer, and ends.
    fn leave(&mut self, reason: Reason, farewell: Option<Message>) {
        if let Phase::Open { .. } = self.phase {
            self.emit(Event::Leave { link: Link::FIRST, reason });
        }
        self.end(reason, farewell);
    }

    /// Ends; on long polling not before the client has been told. Whatever carries a slow one now
    /// ends with the farewell.
    fn end(&mut self, reason: Reason, farewell: Option<Message>) {
        self.records.clear();
        self.odd_streams = None;
        self.ledger = None;
        let polls = matches!(self.attached, Some(Attached::LongPoll { .. }));
        let waits = matches!(self.attached, Some(Attached::LongPoll { poll: None, .. }));
        match farewell {
            Some(message) if reason == Reason::Slow && !waits => {
                let answer = pack::farewell(self.attached.map(Attached::transport), &message);
                let ending = Ending::close(1000, "").with_answer(answer).with_farewell(message);
                self.close_like(reason, ending);
            }
            Some(message) => {
                self.transmit(message);
                match polls {
                    true => self.phase = Phase::Farewell { reason, unsent: true },
                    false => self.close(reason),
                }
            }
            None => self.close(reason),
        }
    }

    fn close(&mut self, reason: Reason) {
        // The reason is in the Close message before; the code is always 1000.
        self.close_like(reason, Ending::close(1000, "").with_answer(answers::poll_over()));
    }

    fn close_like(&mut self, reason: Reason, ending: Ending) {
        self.phase = Phase::Closed;
        self.attached = None;
        self.outputs.push_back(Output::Closed { reason, ending });
    }

    /// The server ends it. `ClientLeft` is a DELETE; `ProtocolError`, that the driver did not even
    /// read what came, because it is longer than any message may be; `OutOfTurn`, that the client
    /// answered a call that another one got.
    fn close_for(&mut self, reason: Reason) -> Result<(), Fault> {
        match reason {
            Reason::ClientLeft => return self.delete(),
            Reason::Slow if matches!(self.phase, Phase::Farewell { .. }) => self.close(reason),
            _ if matches!(self.phase, Phase::Farewell { .. } | Phase::Closed) => {}
            Reason::ProtocolError => self.fail_too_long(),
            Reason::Slow => self.leave_with_error(reason, "The client reads too slowly."),
            Reason::OutOfTurn => {
                let detail = "InvalidOperationException: The answer is to a call that another \
                              connection got.";
                self.leave_with_error(reason, detail);
            }
            _ => {
                let farewell = self.close_message(None, reason == Reason::Shutdown);
                self.leave(reason, farewell);
            }
        }
        Ok(())
    }

    /// The application turned the peer away: OnConnected failed.
    fn refuse(&mut self, Refusal { kind, message, .. }: &Refusal) {
        if let Phase::Open { protocol, .. } = self.phase {
            let closed = error_text::CLOSED;
            let text = match kind {
                CallErrorKind::Internal if self.config.detailed_errors => {
                    format!("{closed} {message}")
                }
                CallErrorKind::Internal => closed.into(),
                _ if message.is_empty() => closed.into(),
                _ => format!("{closed} HubException: {message}"),
            };
            self.end(Reason::Kicked, Some(control::close(protocol, Some(&text), false)));
        }
    }

    fn tick(&mut self, now: Instant) {
        if let Some(Attached::Away { until }) = self.attached {
            if until <= now {
                self.leave(Reason::ConnectionLost, None);
            }
            return;
        }
        self.tick_ack(now);
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => {
                self.end(Reason::NeverEntered, None);
            }
            Phase::Handshake { until } if *until <= now => {
                self.refuse_handshake(handshake::CANCELED, Reason::NeverEntered);
            }
            Phase::Open { silent_until: Some(until), .. } if *until <= now => {
                let detail = "OperationCanceledException: Client hasn't sent a message/ping within \
                              the configured ClientTimeoutInterval.";
                self.leave_with_error(Reason::PingTimeout, detail);
            }
            Phase::Open { protocol, next_ping: Some(at), .. } if *at <= now => {
                // What was missed while the driver slept is not made up for.
                let next = later(*at, self.config.keep_alive_interval);
                *at = if next > now { next } else { later(now, self.config.keep_alive_interval) };
                let ping = control::ping(*protocol);
                self.say(ping);
            }
            _ => {}
        }
        self.tick_poll(now);
    }

    fn deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Waiting { until } | Phase::Handshake { until } => Some(until),
            Phase::Open { next_ping, silent_until, .. } => earlier(next_ping, silent_until),
            Phase::Farewell { .. } => None,
            Phase::Closed => return None,
        };
        match self.attached {
            Some(Attached::LongPoll { until, .. }) => earlier(phase, Some(until)),
            Some(Attached::Away { until }) => Some(until),
            _ => earlier(phase, self.ledger.as_ref().and_then(|ledger| ledger.ack_at())),
        }
    }
}

impl Session for SignalRSession {
    fn handle_input(&mut self, now: Instant, input: Input) -> Result<(), Fault> {
        match input {
            Input::Attach { id, carrier } => return self.attach(now, id, carrier),
            Input::Detach { id, how } => self.detach(now, id, how),
            Input::Message { id, message } => {
                if let Some(Attached::WebSocket(current)) = self.attached
                    && current == id
                {
                    self.receive(
                        now,
                        match message {
                            Message::Text(text) => text.into_bytes(),
                            Message::Binary(bytes) => bytes,
                        },
                    );
                }
            }
            Input::Body { kind: _, body } => return self.body(now, body),
            Input::Timeout => self.tick(now),
            Input::Accept { link, .. } => {
                if let Phase::Open { .. } = self.phase {
                    self.outputs.push_back(Output::Release(link));
                }
            }
            Input::Refuse { link: _, refusal } => self.refuse(&refusal),
            Input::Kick { link: _, whole: _, close } => {
                if !matches!(self.phase, Phase::Farewell { .. } | Phase::Closed) {
                    let text = close.map(|(_, text)| text).filter(|text| !text.is_empty());
                    let farewell = self.close_message(text.as_deref(), false);
                    self.leave(Reason::Kicked, farewell);
                }
            }
            Input::Close { reason } => return self.close_for(reason),
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Output {
        match self.outputs.pop_front() {
            Some(output) => output,
            None => Output::Timeout(self.deadline()),
        }
    }

    fn pack(
        &mut self,
        _id: CarrierId,
        carrier: Carrier,
        queue: &mut VecDeque<Frame>,
        out: &mut BytesMut,
    ) -> Packed {
        let packed = pack::pack(carrier, queue, out);
        if let Phase::Farewell { unsent, .. } = &mut self.phase
            && queue.is_empty()
        {
            *unsent = false;
        }
        packed
    }

    /// As in ASP.NET Core, the client's time runs only while the server listens.
    fn held_back(&mut self, now: Instant) {
        self.heard(now, false);
    }

    fn kept_len(&self) -> usize {
        self.ledger.as_ref().map_or(0, |ledger| ledger.len())
    }

    fn held_len(&self) -> usize {
        self.records.waiting_len()
    }

    fn pass(&mut self, queue: &mut VecDeque<Frame>) -> Option<VecDeque<Frame>> {
        Some(self.ledger.as_mut()?.send(queue))
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

/// The number in the id of a call that the server makes: `s1`, `s2`, ...
fn own_call(id: &str) -> Option<u64> {
    let digits = id.strip_prefix('s')?;
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits.len() == 1 || !digits.starts_with('0'));
    canonical.then(|| digits.parse().ok())?
}

/// What may be POSTed before there is a transport: ASP.NET Core's application buffer.
const KEPT_LEN_MAX: usize = 65_536;

/// How many names [`SignalRSession::odd_streams`] may hold.
const ODD_STREAMS_MAX: usize = 1000;

#[cfg(test)]
mod tests;
