//! Envelopes, over whatever carries them, and the dress in which an event stream has them.

use super::{Heard, How, Kind, Speech, heard, said};
use crate::dial::Dial;
use crate::line::{Line, field, plain, sockjs, websocket};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Envelopes {
    namespace: &'static str,
    kind: Kind,
    /// Whether rooms are recoverable, so that clients join them by the protocol's own word.
    recoverable: bool,
    /// Where it stands in each room that it heard of.
    places: BTreeMap<String, (u64, u64)>,
    /// The same, as an event stream says it.
    last_event_id: String,
    /// The same, as a poll says it.
    cursor: String,
    /// By which POSTs and polls find its session.
    token: Option<String>,
    sessions: u64,
}

impl Envelopes {
    pub(super) fn new(namespace: &'static str, kind: Kind) -> Self {
        Self {
            namespace,
            kind,
            recoverable: namespace == crate::app::KEPT,
            places: BTreeMap::new(),
            last_event_id: String::new(),
            cursor: String::new(),
            token: None,
            sessions: 0,
        }
    }

    fn hear_envelope(&mut self, text: &str) -> Option<Heard> {
        let envelope: Value = serde_json::from_str(text).ok()?;
        if text == plain::GOES_ON {
            return Some(Heard::Back);
        }
        if let Some(place) = envelope["room"].as_str() {
            let position = (envelope["offset"].as_u64()?, envelope["epoch"].as_u64()?);
            self.places.insert(place.to_owned(), position);
        }
        if let Some(event) = envelope["event"].as_str() {
            return heard(event, envelope["args"].as_array()?);
        }
        if let Some(how) = envelope["resume"].as_str() {
            let how = match how {
                "new" => How::New,
                "recovered" => How::Recovered,
                _ => How::Lost,
            };
            return Some(Heard::Joined(envelope["room"].as_str()?.to_owned(), how, None));
        }
        if envelope.get("reply").is_some() {
            return Some(match (envelope["reply"].as_u64(), envelope.get("error")) {
                (Some(number), None) => Heard::Delivered(number),
                _ => Heard::Failed(text.to_owned()),
            });
        }
        if let Some(cursor) = envelope["cursor"].as_str() {
            self.cursor = cursor.to_owned();
            return None;
        }
        if let Some(open) = envelope.get("open") {
            self.token = open["session"].as_str().map(str::to_owned);
            return Some(Heard::New);
        }
        match envelope.get("close").or(envelope.get("refused")) {
            Some(why) => Some(Heard::Bye(why.to_string())),
            None => Some(Heard::Failed(text.to_owned())),
        }
    }
}

impl Speech for Envelopes {
    fn open(&mut self, dial: &Arc<dyn Dial>, query: &str, rooms: &[&str]) -> Line {
        let namespace = self.namespace;
        let asked: String = match self.opens_in_rooms() {
            true => rooms.iter().map(|room| format!("&room={room}")).collect(),
            false => String::new(),
        };
        let send = format!("/send{namespace}");
        self.sessions += 1;
        match self.kind {
            Kind::EventStream => {
                let target = format!("/sse{namespace}?{query}{asked}");
                plain::stream(dial, target, send, &self.last_event_id)
            }
            Kind::LongPoll => {
                let target = format!("/poll{namespace}?{query}");
                let cursor = self.cursor.clone();
                plain::poll(dial, plain::Polled { target, asked, send, cursor }, self.token.clone())
            }
            Kind::SockJs(transport) => {
                // Its own session each time, as sockjs-client has it.
                let name = query.replace(['=', '&'], "-");
                let base = format!("/sockjs{namespace}/000/{name}-{}", self.sessions);
                sockjs::line(dial, base, query, transport)
            }
            _ => {
                let target = format!("/ws{namespace}?{query}");
                let subprotocol = Some("omniwire.json.v1");
                websocket::line(dial, websocket::Opening { target, subprotocol, deflate: false })
            }
        }
    }

    fn greet(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn hear(&mut self, text: &str, _: &mut Vec<String>) -> Vec<Heard> {
        if self.kind != Kind::EventStream {
            return self.hear_envelope(text).into_iter().collect();
        }
        if let Some(id) = field(text, "id") {
            self.last_event_id = id;
        }
        let data = field(text, "data").unwrap_or_default();
        let heard = match field(text, "event").as_deref() {
            Some("omniwire") => self.hear_envelope(&data),
            Some(name) => {
                serde_json::from_str::<Vec<Value>>(&data).ok().and_then(|args| heard(name, &args))
            }
            None => None,
        };
        heard.into_iter().collect()
    }

    fn join(&mut self, room: &str) -> String {
        if !self.recoverable {
            return format!(r#"{{"event":"join","args":["{room}"]}}"#);
        }
        // An event stream says where it was by its last id.
        let said = self.kind == Kind::EventStream;
        match self.places.get(room).filter(|_| !said) {
            Some((offset, epoch)) => {
                format!(r#"{{"join":"{room}","resume":{{"offset":{offset},"epoch":{epoch}}}}}"#)
            }
            None => format!(r#"{{"join":"{room}"}}"#),
        }
    }

    fn leave(&mut self, room: &str) -> String {
        format!(r#"{{"event":"leave","args":["{room}"]}}"#)
    }

    fn publish(&mut self, room: &str, number: u64, padding: &str) -> String {
        let args = said(room, number, padding);
        format!(r#"{{"event":"publish","args":[{args}],"id":{number}}}"#)
    }

    fn opens_in_rooms(&self) -> bool {
        self.recoverable && matches!(self.kind, Kind::EventStream | Kind::LongPoll)
    }

    fn lost(&mut self, why: &str) -> bool {
        let gone = why.starts_with("poll: 4");
        if gone {
            self.cursor.clear();
        }
        if gone || why.starts_with("POST: 404") {
            self.token = None;
        }
        self.kind == Kind::LongPoll && self.token.is_some()
    }
}
