//! Hubs as docs/signalr.md has them, with a client that speaks SignalR's JSON over a bare WebSocket.

use crate::harness::{open, serve};
use futures_util::StreamExt as _;
use omniwire::protocols::signalr::Config;
use omniwire::protocols::websocket::{ClientStream, Message, WebSocket};
use omniwire::{
    Args, Audience, CallContext, Failure, Json, Limits, Namespace, NamespaceHandle, Next, Omniwire,
    Peer, Reply, SignalRMount, Upload,
};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

struct HubClient {
    socket: WebSocket<ClientStream>,
    came: VecDeque<Value>,
}

impl HubClient {
    async fn connect(address: SocketAddr, path: &str) -> Self {
        let mut client = Self { socket: open(address, path, "").await, came: VecDeque::new() };
        client.say(json!({"protocol": "json", "version": 1})).await;
        assert_eq!(client.next().await, json!({}));
        client
    }

    async fn say(&mut self, record: Value) {
        self.socket.send(Message::text(format!("{record}\u{1e}"))).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        while self.came.is_empty() {
            if let Message::Text(text) = self.socket.recv().await.unwrap().unwrap() {
                let records = text.split('\u{1e}').filter(|record| !record.is_empty());
                self.came.extend(records.map(|record| serde_json::from_str(record).unwrap()));
            }
        }
        self.came.pop_front().unwrap()
    }

    /// Calls a method; what it heard before the answer, and the answer.
    async fn call(&mut self, target: &str, arguments: Value) -> (Vec<Value>, Value) {
        let id = target;
        let record =
            json!({"type": 1, "invocationId": id, "target": target, "arguments": arguments});
        self.say(record).await;
        let mut heard = Vec::new();
        loop {
            let record = self.next().await;
            match record["type"].as_i64() {
                Some(3) if record["invocationId"] == id => return (heard, record),
                Some(6) => {}
                _ => heard.push(record),
            }
        }
    }
}

async fn hub(namespace: Namespace) -> SocketAddr {
    let builder = Omniwire::builder().bare_namespace(namespace);
    serve(builder.mount("/hub", SignalRMount::new("/hub"))).await.1
}

/// `Clients.X` of a C# hub, in our words; ids are of other clients.
fn audience(row: &str, peer: &Peer, ids: &[String]) -> Audience {
    let space: NamespaceHandle = peer.namespace();
    let [bob, eve] = ids else { panic!("two ids") };
    match row {
        "All" => space.everybody(),
        "AllExcept" => space.everybody().except(bob.clone()).except(eve.clone()),
        "Others" => peer.others(),
        "Client" => space.to(bob.clone()),
        "Clients" => space.to(bob.clone()).and(eve.clone()),
        "Group" => space.to("group:1"),
        "Groups" => space.to("group:1").and("group:2"),
        "GroupExcept" => space.to("group:1").except(bob.clone()),
        "OthersInGroup" => peer.to("group:1"),
        "User" => space.user("a"),
        "Users" => space.user("a").and_user("e"),
        _ => space.to(peer.id().to_owned()),
    }
}

#[tokio::test]
async fn each_of_dotnets_clients_has_its_words() {
    let namespace = Namespace::new("/hub")
        .identify(|request| request.query_value("user"))
        .on("Id", |peer: Peer| async move { Reply(peer.id().to_owned()) })
        .on("Join", |peer: Peer, Args((group,)): Args<(String,)>| async move { peer.join(group) })
        .on("Fence", |_: Args<()>| async {})
        .on("Tell", |peer: Peer, Args((row, ids)): Args<(String, Vec<String>)>| async move {
            audience(&row, &peer, &ids).emit("Heard", (row,)).await.map(|_| ())
        });
    let address = hub(namespace).await;
    let mut clients = Vec::new();
    for user in ["a", "a", "e", "z"] {
        clients.push(HubClient::connect(address, &format!("/hub?user={user}")).await);
    }
    let mut ids = Vec::new();
    for client in &mut clients {
        ids.push(client.call("Id", json!([])).await.1["result"].clone());
    }
    for (client, group) in [(0, "group:1"), (1, "group:1"), (1, "group:2"), (2, "group:2")] {
        clients[client].call("Join", json!([group])).await;
    }
    // Ada, who calls, Bob, Eve, Zoe: a is the user of the first two.
    for (row, expected) in [
        ("All", [1, 1, 1, 1]),
        ("AllExcept", [1, 0, 0, 1]),
        ("Caller", [1, 0, 0, 0]),
        ("Others", [0, 1, 1, 1]),
        ("Client", [0, 1, 0, 0]),
        ("Clients", [0, 1, 1, 0]),
        ("Group", [1, 1, 0, 0]),
        ("Groups", [1, 1, 1, 0]),
        ("GroupExcept", [1, 0, 0, 0]),
        ("OthersInGroup", [0, 1, 0, 0]),
        ("User", [1, 1, 0, 0]),
        ("Users", [1, 1, 1, 0]),
    ] {
        let (mut told, _) = clients[0].call("Tell", json!([row, [ids[1], ids[2]]])).await;
        let mut heard = Vec::new();
        for client in &mut clients {
            told.extend(client.call("Fence", json!([])).await.0);
            assert!(told.iter().all(|record| record["arguments"] == json!([row])), "{told:?}");
            heard.push(told.drain(..).count());
        }
        assert_eq!(heard, expected, "{row}");
    }
}

#[tokio::test]
async fn methods_may_be_forbidden_and_filters_may_refuse() {
    let namespace = Namespace::new("/hub")
        .identify(|request| request.query_value("user"))
        .authorize_event("Delete", |peer| peer.user().as_deref() == Some("ada"))
        .filter(|call: CallContext, next: Next| async move {
            match call.args().is_empty() {
                true => next.run(call).await,
                false => Err(Failure::client(format!("not {}", call.name()))),
            }
        })
        .on("delete", |_: Args<()>| async { Reply("deleted") })
        .on("Say", |Args((text,)): Args<(String,)>| async move { Reply(text) });
    let address = hub(namespace).await;
    let mut ada = HubClient::connect(address, "/hub?user=ada").await;
    let mut bob = HubClient::connect(address, "/hub?user=bob").await;
    assert_eq!(ada.call("DELETE", json!([])).await.1["result"], "deleted");
    let refused = bob.call("Delete", json!([])).await.1;
    assert_eq!(refused["error"], "Failed to invoke 'Delete' because user is unauthorized");
    let refused = bob.call("Say", json!(["hi"])).await.1;
    let text = "An unexpected error occurred invoking 'Say' on the server. HubException: not Say";
    assert_eq!(refused["error"], text);
}

#[tokio::test]
async fn a_client_is_asked_and_its_answer_awaited() {
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Move {
        from_square: String,
    }
    let namespace = Namespace::new("/hub").on("Play", |peer: Peer| async move {
        let asked = peer.ask::<(Move,)>("YourMove", ("white",), Duration::from_secs(10)).await;
        asked.map(|(answer,)| Reply(Json(answer)))
    });
    let address = hub(namespace).await;
    let mut client = HubClient::connect(address, "/hub").await;
    client.say(json!({"type": 1, "invocationId": "1", "target": "Play", "arguments": []})).await;
    let question = client.next().await;
    assert_eq!(question["target"], "YourMove");
    assert_eq!(question["arguments"], json!(["white"]));
    let id = &question["invocationId"];
    client.say(json!({"type": 3, "invocationId": id, "result": {"fromSquare": "e2"}})).await;
    assert_eq!(client.next().await["result"], json!({"fromSquare": "e2"}));
}

/// A client that is not read from can't be heard: while it is held back, its time does not run.
#[tokio::test]
async fn a_client_that_is_held_back_does_not_time_out() {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let namespace = Namespace::new("/hub").on("Sum", move |_: Args<()>, mut items: Upload<i64>| {
        let go = Arc::clone(&waiting);
        async move {
            go.notified().await;
            let mut sum = 0;
            while let Some(item) = items.next().await {
                sum += item?;
            }
            Ok::<_, Failure>(Reply(sum))
        }
    });
    let mut limits = Limits::default();
    limits.inbox_count_max = 8;
    let interval = Duration::from_millis(50);
    let client_timeout = 2 * interval;
    let config = Config { keep_alive_interval: interval, client_timeout, ..Config::default() };
    let mount = SignalRMount::new("/hub").config(config);
    let builder = Omniwire::builder().limits(limits).bare_namespace(namespace);
    let (_, address) = serve(builder.mount("/hub", mount)).await;
    let mut client = HubClient::connect(address, "/hub").await;
    client.say(json!({"type": 6})).await;
    client
        .say(json!({"type": 1, "invocationId": "1", "target": "Sum", "arguments": [],
            "streamIds": ["s"]}))
        .await;
    for item in 0..100 {
        client.say(json!({"type": 2, "invocationId": "s", "item": item})).await;
    }
    client.say(json!({"type": 3, "invocationId": "s"})).await;
    // Long past its time-out, by the server's own pings.
    for _ in 0..20 {
        assert_eq!(client.next().await, json!({"type": 6}));
        client.say(json!({"type": 6})).await;
    }
    go.notify_one();
    while client.next().await != json!({"type": 3, "invocationId": "1", "result": 4950}) {}
}
