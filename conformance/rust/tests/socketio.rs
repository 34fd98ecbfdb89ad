//! The crate `rust_socketio`, unmodified, against the contract of `--suite socketio`: both of its
//! clients, over each transport. `OMNIWIRE_URL` says where the server is.

use futures_util::FutureExt as _;
use rust_socketio::asynchronous;
use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, RawClient, TransportType};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// No answer takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than any test hears before it listens.
const HEARD_MAX: usize = 64;

fn url() -> String {
    std::env::var("OMNIWIRE_URL").expect("OMNIWIRE_URL says where the server is")
}

/// The transports of the client's, and what the server calls those that they end on.
fn transports() -> [(TransportType, &'static str); 4] {
    [
        (TransportType::Polling, "polling"),
        (TransportType::Websocket, "websocket"),
        (TransportType::WebsocketUpgrade, "websocket"),
        (TransportType::Any, "websocket"),
    ]
}

/// What a client heard: an event's name, and its arguments.
type Heard = (String, Payload);

/// The blocking client, in one namespace.
struct Blocking {
    client: Client,
    heard: Receiver<Heard>,
}

impl Blocking {
    fn enter(builder: ClientBuilder) -> Self {
        let (say, heard) = channel();
        let also = say.clone();
        let builder = builder
            .on_any(move |event: Event, payload: Payload, _: RawClient| {
                let _ = say.send((event.to_string(), payload));
            })
            .on(Event::Error, move |payload: Payload, _: RawClient| {
                let _ = also.send(("error".to_owned(), payload));
            });
        Self { client: builder.connect().expect("connected"), heard }
    }

    /// The arguments of the next such event.
    fn next(&self, wanted: &str) -> Payload {
        loop {
            let (event, payload) = self.heard.recv_timeout(PATIENCE).expect(wanted);
            if event == wanted {
                return payload;
            }
        }
    }

    fn values(&self, wanted: &str) -> Vec<Value> {
        values(self.next(wanted))
    }

    /// The values of an acknowledgement.
    fn call(&self, event: &str, args: impl Into<Payload>) -> Vec<Value> {
        let (say, answer) = channel();
        let heed = move |payload: Payload, _: RawClient| {
            let _ = say.send(payload);
        };
        self.client.emit_with_ack(event, args, PATIENCE, heed).expect("said");
        values(answer.recv_timeout(PATIENCE).expect("an acknowledgement"))
    }
}

fn values(payload: Payload) -> Vec<Value> {
    match payload {
        Payload::Text(values) => values,
        other => panic!("no values: {other:?}"),
    }
}

/// What the acknowledgement of several values is to this client: one array.
fn one_array(values: Vec<Value>) -> Value {
    values.into_iter().next().expect("an array")
}

#[test]
fn the_blocking_client_over_each_transport() {
    for (transport, name) in transports() {
        let client = Blocking::enter(ClientBuilder::new(url()).transport_type(transport));
        let welcome = client.values("welcome");
        assert_eq!(welcome[0]["nsp"], "/", "{name}");
        let said = json!({ "text": "ä 漢 😀 \u{2028}", "list": [1, null, true] });
        client.client.emit("echo", said.clone()).unwrap();
        assert_eq!(client.values("echo-back"), [said.clone()]);
        assert_eq!(one_array(client.call("echo-ack", said.clone())), json!([said]));
        assert_eq!(one_array(client.call("transport", Payload::Text(vec![]))), json!([name]));
        client.client.emit("echo", vec![0, 1, 255]).unwrap();
        assert_eq!(client.next("echo-back"), Payload::Binary(vec![0, 1, 255].into()));
        client.client.disconnect().unwrap();
    }
}

#[test]
fn what_several_arguments_become() {
    let client = Blocking::enter(ClientBuilder::new(url()));
    client.values("welcome");
    client.client.emit("echo", vec![json!(1), json!("two"), json!([3])]).unwrap();
    assert_eq!(client.values("echo-back"), [json!(1), json!("two"), json!([3])]);
    client.client.disconnect().unwrap();
}

#[test]
fn events_keep_their_order() {
    let client = Blocking::enter(ClientBuilder::new(url()).transport_type(TransportType::Any));
    for number in 0..200 {
        client.client.emit("echo", json!(number)).unwrap();
    }
    for number in 0..200 {
        assert_eq!(client.values("echo-back"), [json!(number)]);
    }
    client.client.disconnect().unwrap();
}

#[test]
fn namespaces_rooms_and_those_who_may_enter() {
    let enter = |builder: ClientBuilder| {
        let client = Blocking::enter(builder);
        client.values("welcome");
        client
    };
    let [one, two] = [(); 2].map(|()| enter(ClientBuilder::new(url()).namespace("/chat")));
    let rooms = one_array(two.call("join", json!(["b", "a"])));
    assert_eq!(rooms, json!([["a", "b"]]));
    one.client.emit("to", vec![json!("a"), json!("said"), json!("hi")]).unwrap();
    assert_eq!(two.values("said"), [json!("hi")]);

    let auth = ClientBuilder::new(url()).namespace("/auth");
    let member = enter(auth.auth(json!({ "token": "secret" })));
    assert_eq!(one_array(member.call("echo-ack", json!(1))), json!([1]));
    let stranger = Blocking::enter(ClientBuilder::new(url()).namespace("/auth").reconnect(false));
    let refusal = format!("{:?}", stranger.next("error"));
    assert!(refusal.contains("not authorized"), "{refusal}");
    for client in [one, two, member] {
        client.client.disconnect().unwrap();
    }
}

#[test]
fn a_connection_that_is_lost_is_made_anew() {
    let builder = ClientBuilder::new(url()).transport_type(TransportType::Websocket);
    let client = Blocking::enter(builder.reconnect_delay(10, 100).reconnect_on_disconnect(true));
    let mut ids = BTreeSet::new();
    ids.insert(client.values("welcome")[0]["id"].to_string());
    client.client.emit("kick-transport", json!(null)).unwrap();
    ids.insert(client.values("welcome")[0]["id"].to_string());
    assert_eq!(ids.len(), 2, "a new socket each time");
    assert_eq!(one_array(client.call("echo-ack", json!("back"))), json!(["back"]));
    client.client.disconnect().unwrap();
}

/// The asynchronous client, and what it heard.
async fn asynchronous(
    builder: asynchronous::ClientBuilder,
) -> (asynchronous::Client, mpsc::Receiver<Heard>) {
    let (say, heard) = mpsc::channel(HEARD_MAX);
    let hear = move |event: Event, payload: Payload, _: asynchronous::Client| {
        let _ = say.try_send((event.to_string(), payload));
        async {}.boxed()
    };
    (builder.on_any(hear).connect().await.expect("connected"), heard)
}

async fn next(heard: &mut mpsc::Receiver<Heard>, wanted: &str) -> Payload {
    loop {
        let heard = timeout(PATIENCE, heard.recv()).await.expect(wanted);
        let (event, payload) = heard.expect("the client lives");
        if event == wanted {
            return payload;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_asynchronous_client_over_each_transport() {
    for (transport, name) in transports() {
        let builder = asynchronous::ClientBuilder::new(url()).transport_type(transport);
        let (client, mut heard) = asynchronous(builder.namespace("/chat")).await;
        assert_eq!(values(next(&mut heard, "welcome").await)[0]["nsp"], "/chat");
        client.emit("echo", json!("hi")).await.unwrap();
        assert_eq!(values(next(&mut heard, "echo-back").await), [json!("hi")]);
        client.emit("echo", vec![0, 1, 255]).await.unwrap();
        let bytes = next(&mut heard, "echo-back").await;
        assert_eq!(bytes, Payload::Binary(vec![0, 1, 255].into()));
        let (say, mut answer) = mpsc::channel(HEARD_MAX);
        let heed = move |payload: Payload, _: asynchronous::Client| {
            let _ = say.try_send(payload);
            async {}.boxed()
        };
        let nothing = Payload::Text(vec![]);
        client.emit_with_ack("transport", nothing, PATIENCE, heed).await.unwrap();
        let answer = timeout(PATIENCE, answer.recv()).await.expect("in time").expect("an answer");
        assert_eq!(one_array(values(answer)), json!([name]));
        client.disconnect().await.unwrap();
    }
}
