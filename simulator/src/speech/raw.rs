//! A bare WebSocket: the application's own words, and no answers.

use super::{Heard, Speech, heard};
use crate::dial::Dial;
use crate::line::{Line, websocket};
use serde_json::Value;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Raw {
    pub(super) namespace: &'static str,
}

impl Speech for Raw {
    fn open(&mut self, dial: &Arc<dyn Dial>, query: &str, _: &[&str]) -> Line {
        let target = format!("/ws{}?{query}", self.namespace);
        websocket::line(dial, websocket::Opening { target, deflate: true, ..Default::default() })
    }

    fn greet(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn hear(&mut self, text: &str, _: &mut Vec<String>) -> Vec<Heard> {
        if text == "welcome" {
            return vec![Heard::New];
        }
        let Ok(args) = serde_json::from_str::<Vec<Value>>(text) else {
            return vec![Heard::Failed(format!("not ours: {text}"))];
        };
        // Of other events the second argument is the name.
        let name = args.get(1).and_then(Value::as_str).unwrap_or("said");
        heard(name, &args).into_iter().collect()
    }

    fn join(&mut self, room: &str) -> String {
        format!("join {room}")
    }

    fn leave(&mut self, room: &str) -> String {
        format!("leave {room}")
    }

    fn publish(&mut self, room: &str, number: u64, padding: &str) -> String {
        format!("publish {room} {number} {padding}")
    }

    fn lost(&mut self, _: &str) -> bool {
        false
    }
}
