//! A SockJS client that speaks one JSON object a line: events on standard output, what is to be
//! done on standard input.

mod line;

use super::print;
use crate::mistake::Mistake;
use line::{Http, Line, Told};
use omniwire::protocols::sockjs::client::{Action, Client, Close, Transport};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::future::pending;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin, stdin};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// How long `/info` may take, as in the reference.
const INFO_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a WebSocket's closing handshake may take at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What is told before the session has a line, in the place of a line's number.
const NO_LINE: u32 = 0;

/// What a line of standard input asks for. A text stays JSON, so that lone surrogates pass.
#[derive(Deserialize)]
struct Asked {
    send: Option<Box<RawValue>>,
    /// Code and reason, as far as they are given.
    close: Option<Vec<Value>>,
}

/// Connects, and goes on until the session is closed.
pub(super) async fn run(url: &str, transports: &[Transport]) -> Result<(), Mistake> {
    let base = url.trim_end_matches('/').to_owned();
    if !base.starts_with("http://") {
        return Err(Mistake(format!("bad value '{url}' for --url: expected http://HOST:PORT/...")));
    }
    let (tell, told) = mpsc::channel(64);
    let http = Http::default();
    let asking = (http.clone(), base.clone(), tell.clone());
    tokio::spawn(async move {
        let (http, base, tell) = asking;
        let begun = Instant::now();
        let info = timeout(INFO_TIMEOUT, http.info(&base)).await.ok().flatten();
        tell.send((NO_LINE, Told::Info(info, begun.elapsed()))).await.ok();
    });
    let client = Client::new(transports);
    let input = Some(BufReader::new(stdin()).lines());
    let driver = Driver { client, base, http, tell, line: None, number: NO_LINE, deadline: None };
    driver.run(told, input).await;
    Ok(())
}

struct Driver {
    client: Client,
    base: String,
    http: Http,
    tell: mpsc::Sender<(u32, Told)>,
    line: Option<Line>,
    /// Of the line. What others tell is stale.
    number: u32,
    deadline: Option<Instant>,
}

impl Driver {
    async fn run(
        mut self,
        mut told: mpsc::Receiver<(u32, Told)>,
        mut input: Option<Lines<BufReader<Stdin>>>,
    ) {
        loop {
            while let Some(action) = self.client.poll_action() {
                if self.carry_out(action).is_break() {
                    // What the line still has to tell must not hold it up.
                    drop(told);
                    if let Some(line) = self.line.take() {
                        timeout(CLOSE_TIMEOUT, line.close()).await.ok();
                    }
                    return;
                }
            }
            let deadline = self.deadline;
            tokio::select! {
                Some((number, told)) = told.recv() => {
                    if number == self.number {
                        self.hear(told);
                    }
                }
                () = async { sleep_until(deadline.unwrap_or_else(Instant::now)).await },
                    if deadline.is_some() => {
                    self.deadline = None;
                    self.client.timed_out();
                }
                asked = next_line(&mut input) => match asked {
                    Some(line) => self.obey(&line),
                    // Nobody will ask for anything any more; the session goes on.
                    None => input = None,
                },
            }
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Info(Some(info), round_trip) => {
                if let Some(base) = info.base_url {
                    self.base = base.trim_end_matches('/').to_owned();
                }
                self.client.informed(info.websocket, round_trip);
            }
            Told::Info(None, _) => self.client.not_informed(),
            Told::Frame(frame) => self.client.frame(&frame),
            Told::Sent(taken) => self.client.sent(taken),
            Told::Ended(end) => self.client.ended(end),
        }
    }

    fn obey(&mut self, line: &str) {
        match serde_json::from_str::<Asked>(line) {
            Ok(Asked { send, close }) => {
                if let Some(text) = send {
                    self.client.send(text.get().to_owned());
                }
                if let Some(close) = close {
                    let code = close.first().and_then(Value::as_u64).unwrap_or(1000);
                    let reason = close.get(1).and_then(Value::as_str).unwrap_or("Normal closure");
                    self.client.close_by_user(code.try_into().unwrap_or(1000), reason);
                }
            }
            Err(error) => tracing::warn!(%error, "a line that asks for nothing"),
        }
    }

    fn carry_out(&mut self, action: Action) -> ControlFlow<()> {
        match action {
            Action::Connect { transport, timeout } => {
                self.number += 1;
                let (base, tell) = (&self.base, self.tell.clone());
                self.line = Some(Line::open(transport, base, &self.http, self.number, tell));
                self.deadline = Some(Instant::now() + timeout);
            }
            Action::Send(body) => {
                if let Some(line) = &mut self.line {
                    line.send(body);
                }
            }
            Action::Open(transport) => {
                self.deadline = None;
                print(&serde_json::json!({ "open": transport.name() }).to_string());
            }
            Action::Message(text) => print(&format!("{{\"message\":{text}}}")),
            Action::Heartbeat => print("{\"heartbeat\":true}"),
            Action::Close(Close { code, reason, clean }) => {
                print(&serde_json::json!({ "close": [code, reason, clean] }).to_string());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// The next line of standard input; never, once that has ended.
async fn next_line(input: &mut Option<Lines<BufReader<Stdin>>>) -> Option<String> {
    match input {
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => pending().await,
    }
}
