//! The carriers of HTTP: how a session is opened over each, and what its requests are.

use crate::http::Answers;
use crate::payload::{Label, Payloads};
use crate::{Failure, Result};
use std::io::{Read, Write};
use std::net::TcpStream;

/// What brings a session's messages down; they go up by POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Carrier {
    SockjsXhrPolling,
    SockjsXhrStreaming,
    SockjsEventsource,
    SockjsHtmlfile,
    SockjsJsonp,
    /// Engine.IO's, with Socket.IO on it
    EngineioPolling,
    SignalrServerSentEvents,
    SignalrLongPolling,
    /// Our plain event stream
    Sse,
    /// Our plain long polling
    LongPoll,
}

/// One session, as its client knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// What each GET, or POST of a poll, asks for.
    down: String,
    /// Where messages are posted to.
    up: String,
}

impl Carrier {
    /// Whether each message ends an answer, and the next one has to be asked for.
    pub(crate) fn is_polling(self) -> bool {
        matches!(
            self,
            Self::SockjsXhrPolling
                | Self::SockjsJsonp
                | Self::EngineioPolling
                | Self::SignalrLongPolling
                | Self::LongPoll
        )
    }

    /// Opens a session; a stream that carries it has been asked for then, and has said its first.
    pub(crate) fn open(
        self,
        path: &str,
        index: usize,
        down: &mut Line,
        up: &mut Line,
    ) -> Result<Session> {
        match self {
            Self::SockjsXhrPolling
            | Self::SockjsXhrStreaming
            | Self::SockjsEventsource
            | Self::SockjsHtmlfile
            | Self::SockjsJsonp => self.open_sockjs(&format!("{path}/000/c{index:08}"), down),
            Self::EngineioPolling => {
                let base = format!("{path}/?EIO=4&transport=polling");
                let open = up.exchange(&format!("GET {base}"), "")?;
                let base = format!("{base}&sid={}", between(&open, "\"sid\":\"", "\"")?);
                up.exchange(&format!("POST {base}"), "40")?;
                let session = Session { down: format!("GET {base}"), up: base };
                self.begin(session, down, "40{")
            }
            Self::SignalrServerSentEvents | Self::SignalrLongPolling => {
                let negotiate = format!("POST {path}/negotiate?negotiateVersion=1");
                let answer = up.exchange(&negotiate, "")?;
                let token = between(&answer, "\"connectionToken\":\"", "\"")?;
                let base = format!("{path}?id={token}");
                let session = Session { down: format!("GET {base}"), up: base.clone() };
                if self.is_polling() {
                    up.exchange(&format!("GET {base}"), "")?;
                } else {
                    down.ask(&self.down_request(&session))?;
                    // The head of the answer.
                    down.await_text("", false)?;
                }
                up.exchange(&format!("POST {base}"), "{\"protocol\":\"json\",\"version\":1}\x1e")?;
                if self.is_polling() {
                    return self.begin(session, down, "{}\x1e");
                }
                down.await_text("{}\x1e", false)?;
                Ok(session)
            }
            Self::Sse => {
                let session = Session { down: format!("GET {path}"), up: String::new() };
                down.ask(&self.down_request(&session))?;
                let open = down.await_text("\"}}\n\n", false)?;
                let up = format!("/send?session={}", between(&open, "\"session\":\"", "\"")?);
                Ok(Session { up, ..session })
            }
            Self::LongPoll => {
                let open = up.exchange(&format!("GET {path}"), "")?;
                let up = format!("/send?session={}", between(&open, "\"session\":\"", "\"")?);
                let mut session = Session { down: String::new(), up };
                self.note(&mut session, &open)?;
                Ok(session)
            }
        }
    }

    fn open_sockjs(self, path: &str, down: &mut Line) -> Result<Session> {
        let (request, first) = match self {
            Self::SockjsXhrPolling => (format!("POST {path}/xhr"), "o\n"),
            Self::SockjsEventsource => (format!("GET {path}/eventsource"), "data: o\r\n\r\n"),
            Self::SockjsHtmlfile => {
                (format!("GET {path}/htmlfile?c=p"), "p(\"o\");\n</script>\r\n")
            }
            Self::SockjsJsonp => (format!("GET {path}/jsonp?c=p"), "p(\"o\");\r\n"),
            _ => (format!("POST {path}/xhr_streaming"), "o\n"),
        };
        let send = if self == Self::SockjsJsonp { "jsonp_send" } else { "xhr_send" };
        self.begin(Session { down: request, up: format!("{path}/{send}") }, down, first)
    }

    /// Asks for the first answer, and waits for what it begins with.
    fn begin(self, session: Session, down: &mut Line, first: &str) -> Result<Session> {
        down.ask(&self.down_request(&session))?;
        down.await_text(first, self.is_polling())?;
        Ok(session)
    }

    /// Learns from an answer what the next request is.
    pub(crate) fn note(self, session: &mut Session, answer: &str) -> Result {
        if self == Self::LongPoll {
            let cursor = between(answer, "{\"cursor\":\"", "\"")?;
            session.down = format!("GET /poll?cursor={cursor}");
        }
        Ok(())
    }

    pub(crate) fn down_request(self, session: &Session) -> Vec<u8> {
        let length = if session.down.starts_with("POST") { "Content-Length: 0\r\n" } else { "" };
        let accept = match self {
            Self::SockjsEventsource | Self::SignalrServerSentEvents | Self::Sse => {
                "text/event-stream"
            }
            _ => "*/*",
        };
        let line = &session.down;
        format!("{line} HTTP/1.1\r\nHost: bench\r\nAccept: {accept}\r\n{length}\r\n").into()
    }

    /// Appends the POST with a message.
    pub(crate) fn write_post(
        self,
        out: &mut Vec<u8>,
        session: &Session,
        payloads: &Payloads,
        label: Label,
    ) {
        let id = label.sequence;
        let (before, after) = match self {
            Self::EngineioPolling => (format!("42{id}[\"echo\",\""), "\"]"),
            Self::SignalrServerSentEvents | Self::SignalrLongPolling => (
                format!(
                    "{{\"type\":1,\"invocationId\":\"{id}\",\"target\":\"echo\",\"arguments\":[\""
                ),
                "\"]}\x1e",
            ),
            Self::Sse | Self::LongPoll => {
                ("{\"event\":\"message\",\"args\":[\"".to_owned(), "\"]}")
            }
            _ => ("[\"".to_owned(), "\"]"),
        };
        let kind = match self {
            Self::Sse | Self::LongPoll => "application/json",
            _ => "text/plain;charset=UTF-8",
        };
        let len = before.len() + payloads.len() + after.len();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\r\n",
            session.up
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(before.as_bytes());
        payloads.write(out, label);
        out.extend_from_slice(after.as_bytes());
    }
}

/// A connection while a session is opened, which waits for its answers.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) stream: TcpStream,
    pub(crate) answers: Answers,
}

impl Line {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, answers: Answers::default() }
    }

    fn ask(&mut self, request: &[u8]) -> Result {
        self.stream.write_all(request).map_err(Failure::at("asking"))
    }

    /// Asks, and reads the whole answer's body.
    fn exchange(&mut self, line: &str, body: &str) -> Result<String> {
        let (len, kind) = (body.len(), "text/plain;charset=UTF-8");
        let head = match line.starts_with("POST") {
            true => format!("Content-Type: {kind}\r\nContent-Length: {len}\r\n"),
            false => String::new(),
        };
        self.ask(format!("{line} HTTP/1.1\r\nHost: bench\r\n{head}\r\n{body}").as_bytes())?;
        self.await_text("", true)
    }

    /// Reads until the body holds this and, if wanted, has ended; all of it.
    fn await_text(&mut self, text: &str, to_its_end: bool) -> Result<String> {
        let (mut body, mut ended) = (Vec::new(), false);
        let mut piece = [0; 8 << 10];
        loop {
            let len = self.stream.read(&mut piece).map_err(Failure::at("reading an answer"))?;
            if len == 0 {
                return Err(Failure::new("the server closed a connection"));
            }
            self.answers.take(&piece[..len], &mut body, &mut ended)?;
            let said = String::from_utf8_lossy(&body);
            if said.contains(text) && ended >= to_its_end {
                return Ok(said.into_owned());
            }
            if ended {
                return Err(Failure::new(format!("{said:?} came in place of {text:?}")));
            }
        }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Result<&'a str> {
    let rest = text.split_once(before).map(|(_, rest)| rest);
    rest.and_then(|rest| Some(rest.split_once(after)?.0))
        .ok_or_else(|| Failure::new(format!("the server's answer has no {before}: {text:?}")))
}
