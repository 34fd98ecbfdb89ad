//! A SignalR client that does what it reads on standard input, one JSON command a line, and writes
//! answers and events to standard output, one JSON object a line.

mod command;
mod line;
mod requests;

use super::print;
use crate::mistake::Mistake;
use command::{Asked, Command, Connect, Reaction};
use line::{Line, Target, Told};
use omniwire::RawArgs;
use omniwire::protocols::signalr::client::{Action, Client, Opened};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// How long the end of a line may take at the end of the program.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Obeys until standard input ends.
pub(super) async fn run() -> Result<(), Mistake> {
    let (tell, mut told) = mpsc::channel(64);
    let mut driver = Driver::new(tell);
    let mut input = BufReader::new(stdin()).lines();
    loop {
        driver.carry_out();
        let deadline = driver.client.as_ref().and_then(Client::deadline).map(Instant::from_std);
        tokio::select! {
            Some((number, told)) = told.recv() => {
                if number == driver.number {
                    driver.hear(told);
                }
            }
            () = async { sleep_until(deadline.unwrap_or_else(Instant::now)).await },
                if deadline.is_some() => {
                if let Some(client) = &mut driver.client {
                    client.timeout(now());
                }
            }
            asked = input.next_line() => match asked {
                Ok(Some(asked)) => driver.obey(&asked),
                _ => break,
            },
        }
    }
    // What its lines still have to tell must not hold them up.
    drop(told);
    driver.hang_up();
    for line in driver.closing {
        timeout(CLOSE_TIMEOUT, line).await.ok();
    }
    Ok(())
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// What is to be told when a call has ended.
enum Asker {
    /// The command of this id is answered.
    Answer(u64),
    /// The stream of this command has ended.
    Stream(u64),
}

struct Driver {
    client: Option<Client>,
    target: Option<Target>,
    reactions: HashMap<String, Reaction>,
    tell: mpsc::Sender<(u32, Told)>,
    line: Option<Line>,
    /// Of the line. What others tell is stale.
    number: u32,
    /// What opens another line for the connection there is.
    token: Option<String>,
    closing: Vec<tokio::task::JoinHandle<()>>,
    /// The command that waits for the connection, and the one that waits for its end.
    connecting: Option<u64>,
    stopping: Option<u64>,
    askers: HashMap<u64, Asker>,
}

impl Driver {
    fn new(tell: mpsc::Sender<(u32, Told)>) -> Self {
        Self {
            client: None,
            target: None,
            reactions: HashMap::new(),
            tell,
            line: None,
            number: 0,
            token: None,
            closing: Vec::new(),
            connecting: None,
            stopping: None,
            askers: HashMap::new(),
        }
    }

    fn hear(&mut self, told: Told) {
        let Some(client) = &mut self.client else { return };
        match told {
            Told::Opened { opened, token } => {
                self.token = Some(token);
                client.opened(now(), opened);
            }
            Told::Resumed => client.opened(now(), Opened::default()),
            Told::Data(bytes) => client.receive(now(), bytes),
            Told::Lost(error) => client.lost(now(), error),
        }
    }

    fn obey(&mut self, line: &str) {
        let asked: Asked = match serde_json::from_str(line) {
            Ok(asked) => asked,
            Err(error) => return tracing::warn!(%error, "a line that asks for nothing"),
        };
        let id = asked.id;
        if let Err(error) = asked.command().and_then(|command| self.obey_command(id, command)) {
            failed(id, &error);
        }
    }

    fn obey_command(&mut self, id: u64, command: Command) -> Result<(), String> {
        if let Command::Connect(connect) = command {
            return self.connect(id, *connect);
        }
        let Some(client) = &mut self.client else {
            if matches!(command, Command::Stop) {
                done(id, "null");
                return Ok(());
            }
            return Err("There is no connection.".to_owned());
        };
        match command {
            Command::Connect(_) => {}
            Command::Invoke { method, args } => {
                let call = client.invoke(now(), &method, &args).map_err(|e| e.to_string())?;
                self.askers.insert(call, Asker::Answer(id));
            }
            Command::Send { method, args } => {
                client.send(now(), &method, &args).map_err(|error| error.to_string())?;
                done(id, "null");
            }
            Command::Stream { method, args } => {
                let call = client.stream(now(), &method, &args).map_err(|e| e.to_string())?;
                self.askers.insert(call, Asker::Stream(id));
                done(id, "null");
            }
            Command::Cancel { stream } => {
                let is_it = |asker: &Asker| matches!(asker, Asker::Stream(id) if *id == stream);
                let call = self.askers.iter().find(|(_, asker)| is_it(asker));
                if let Some((call, _)) = call {
                    client.cancel(now(), *call);
                }
                done(id, "null");
            }
            Command::Upload { method, args, items, fail } => {
                let call = client.upload(now(), &method, &args, &items, fail.as_deref());
                let call = call.map_err(|error| error.to_string())?;
                self.askers.insert(call, Asker::Answer(id));
            }
            Command::Stop => {
                self.stopping = Some(id);
                client.stop(now());
            }
        }
        Ok(())
    }

    fn connect(&mut self, id: u64, mut connect: Connect) -> Result<(), String> {
        if self.client.is_some() {
            return Err("There is a connection.".to_owned());
        }
        let options = connect.options.clone();
        self.reactions = std::mem::take(&mut connect.reactions);
        self.target = Some(Target::new(connect)?);
        self.connecting = Some(id);
        self.client = Some(Client::new(options, now()));
        Ok(())
    }

    /// Does what the client wants done.
    fn carry_out(&mut self) {
        while let Some(action) = self.client.as_mut().and_then(Client::poll_action) {
            match action {
                Action::Connect => self.open(None),
                Action::Resume => self.open(self.token.clone()),
                Action::Send(message) => {
                    if self.line.as_ref().is_some_and(|line| !line.send(message)) {
                        self.hang_up();
                        self.hear(Told::Lost(Some("too much waits to be sent".to_owned())));
                    }
                }
                Action::HangUp => self.hang_up(),
                Action::Started(connection_id) => {
                    if let Some(id) = self.connecting.take() {
                        done(id, &json!({ "connectionId": connection_id }).to_string());
                    }
                }
                Action::Failed(error) => {
                    self.over();
                    if let Some(id) = self.connecting.take() {
                        failed(id, &error);
                    }
                }
                Action::Called { target, args, id } => self.react(&target, &args, id.as_deref()),
                Action::Item { call, item } => {
                    if let Some(Asker::Stream(id)) = self.askers.get(&call) {
                        let value = one_value(&item);
                        print(&format!(r#"{{"event":"item","stream":{id},"value":{value}}}"#));
                    }
                }
                Action::Ended { call, outcome } => self.ended(call, outcome),
                Action::Reconnecting(error) => {
                    print(&json!({ "event": "reconnecting", "error": error }).to_string());
                }
                Action::Reconnected(id) => {
                    print(&json!({ "event": "reconnected", "connectionId": id }).to_string());
                }
                Action::Closed(error) => {
                    self.over();
                    print(&json!({ "event": "closed", "error": error }).to_string());
                }
            }
        }
        if self.client.is_none()
            && let Some(id) = self.stopping.take()
        {
            done(id, "null");
        }
    }

    /// There may be another connection after this one.
    fn over(&mut self) {
        self.hang_up();
        (self.client, self.token) = (None, None);
    }

    fn open(&mut self, resume: Option<String>) {
        self.hang_up();
        if let Some(target) = &self.target {
            let tell = self.tell.clone();
            self.line = Some(Line::open(target.clone(), resume, self.number, tell));
        }
    }

    fn hang_up(&mut self) {
        self.number += 1;
        self.closing.retain(|line| !line.is_finished());
        self.closing.extend(self.line.take().map(Line::close));
    }

    /// The server has called a method, whose name has no case.
    fn react(&mut self, target: &str, args: &RawArgs, id: Option<&str>) {
        let named = |(name, _): &(&String, _)| name.eq_ignore_ascii_case(target);
        let found = self.reactions.iter().find(named);
        if let Some((name, _)) = found {
            let (name, args) = (json!(name), args.to_base64_json());
            print(&format!(r#"{{"event":"call","method":{name},"args":[{args}]}}"#));
        }
        if let (Some(client), Some(id)) = (&mut self.client, id) {
            match found.map(|(_, reaction)| reaction) {
                Some(Reaction::Reply(value)) => client.answer(now(), id, Ok(value)),
                Some(Reaction::Error(text)) => client.answer(now(), id, Err(text)),
                Some(Reaction::None) | None => {
                    client.answer(now(), id, Err("Client didn't provide a result."));
                }
            }
        }
    }

    fn ended(&mut self, call: u64, outcome: Result<RawArgs, String>) {
        match (self.askers.remove(&call), outcome) {
            (Some(Asker::Answer(id)), Ok(value)) => done(id, &one_value(&value)),
            (Some(Asker::Answer(id)), Err(error)) => failed(id, &error),
            (Some(Asker::Stream(id)), outcome) => {
                let error = outcome.err();
                print(&json!({ "event": "end", "stream": id, "error": error }).to_string());
            }
            (None, _) => {}
        }
    }
}

/// One value as JSON: `null` in place of none.
fn one_value(args: &RawArgs) -> String {
    if args.is_empty() { "null".to_owned() } else { args.to_base64_json().to_string() }
}

fn done(id: u64, value: &str) {
    print(&format!(r#"{{"id":{id},"ok":true,"value":{value}}}"#));
}

fn failed(id: u64, error: &str) {
    print(&json!({ "id": id, "ok": false, "error": error }).to_string());
}
