//! Socket.IO 5, with connection state recovery where the namespace has it.

use super::{Heard, Speech, heard, said};
use crate::dial::Dial;
use crate::line::{Line, engineio};
use serde_json::Value;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct SocketIo {
    namespace: &'static str,
    transports: engineio::Transports,
    /// By which it comes back.
    pid: Option<String>,
    /// The last that it received, as the server put it at the end of an event.
    offset: Option<String>,
}

impl SocketIo {
    pub(super) fn new(namespace: &'static str, transports: engineio::Transports) -> Self {
        Self { namespace, transports, pid: None, offset: None }
    }

    fn connected(&mut self, body: &str) -> Option<Heard> {
        let body: Value = serde_json::from_str(body).ok()?;
        let pid = body["pid"].as_str().map(str::to_owned);
        let recovered = pid.is_some() && pid == self.pid;
        if !recovered {
            self.offset = None;
        }
        self.pid = pid;
        Some(if recovered { Heard::Back } else { Heard::New })
    }
}

impl Speech for SocketIo {
    fn open(&mut self, dial: &Arc<dyn Dial>, query: &str, _: &[&str]) -> Line {
        engineio::line(dial, query, self.transports)
    }

    fn greet(&mut self) -> Vec<String> {
        let auth = match (&self.pid, &self.offset) {
            (Some(pid), Some(offset)) => format!(r#"{{"pid":"{pid}","offset":"{offset}"}}"#),
            (Some(pid), None) => format!(r#"{{"pid":"{pid}"}}"#),
            (None, _) => String::new(),
        };
        vec![format!("0{},{auth}", self.namespace)]
    }

    fn hear(&mut self, text: &str, _: &mut Vec<String>) -> Vec<Heard> {
        let Some((kind, rest)) = text.split_at_checked(1) else { return Vec::new() };
        let body = rest.strip_prefix(self.namespace).and_then(|rest| rest.strip_prefix(','));
        let body = body.unwrap_or_default();
        let heard = match kind {
            "0" => self.connected(body),
            "2" => {
                let mut args: Vec<Value> = serde_json::from_str(body).unwrap_or_default();
                if let (Some(_), Some(Value::String(last))) = (&self.pid, args.last()) {
                    self.offset = Some(last.clone());
                }
                let name = args.drain(..1.min(args.len())).next();
                name.and_then(|name| heard(name.as_str()?, &args))
            }
            "3" => {
                let number = body.split('[').next().unwrap_or_default();
                number.parse().ok().map(Heard::Delivered)
            }
            "1" => Some(Heard::Bye(body.to_owned())),
            _ => Some(Heard::Failed(text.to_owned())),
        };
        heard.into_iter().collect()
    }

    fn join(&mut self, room: &str) -> String {
        format!(r#"2{},["join","{room}"]"#, self.namespace)
    }

    fn leave(&mut self, room: &str) -> String {
        format!(r#"2{},["leave","{room}"]"#, self.namespace)
    }

    fn publish(&mut self, room: &str, number: u64, padding: &str) -> String {
        let args = said(room, number, padding);
        format!(r#"2{},{number}["publish",{args}]"#, self.namespace)
    }

    fn lost(&mut self, _: &str) -> bool {
        self.pid.is_some()
    }
}
