//! What hubs of SignalR have: users, filters, authorization of methods, negotiate that redirects.

use crate::harness::{Client, http, serve};
use omniwire::{
    Args, CallContext, EventName, Failure, Namespace, Negotiation, Next, Omniwire, Peer, Reply,
    RequestInfo, SignalRMount,
};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn user_of(request: &RequestInfo) -> Option<String> {
    request.query_value("user")
}

#[tokio::test]
async fn a_user_is_reached_on_every_connection_and_is_no_room() {
    let namespace = Namespace::new("/hub")
        .identify(user_of)
        .on("who", |peer: Peer| async move { Reply((peer.user(), peer.rooms().len())) })
        .on("tell", |peer: Peer, Args((user, text)): Args<(String, String)>| async move {
            peer.namespace().user(&user).emit("told", (text,)).await.map(|_| ())
        })
        .on("tell both", |peer: Peer| async move {
            peer.namespace().user("ada").and_user("bob").emit("told", ("both",)).await.map(|_| ())
        });
    let (_, address) = serve(Omniwire::builder().namespace(namespace)).await;
    let mut ada = Client::connect(address, "/ws/hub?user=ada").await;
    let mut too = Client::connect(address, "/ws/hub?user=ada").await;
    let mut bob = Client::connect(address, "/ws/hub?user=bob").await;
    let mut nobody = Client::connect(address, "/ws/hub").await;
    assert_eq!(ada.call("who", json!([])).await["result"], json!(["ada", 0]));
    assert_eq!(nobody.call("who", json!([])).await["result"], json!([null, 0]));
    bob.send(json!({"event": "tell", "args": ["ada", "hi"]})).await;
    bob.send(json!({"event": "tell both", "args": []})).await;
    for client in [&mut ada, &mut too] {
        assert_eq!(client.next().await["args"], json!(["hi"]));
        assert_eq!(client.next().await["args"], json!(["both"]));
    }
    assert_eq!(bob.next().await["args"], json!(["both"]));
    // Nobody's user is nobody.
    nobody.send(json!({"event": "tell", "args": ["", "?"]})).await;
    nobody.send(json!({"event": "who", "id": "next"})).await;
    assert_eq!(nobody.next().await["reply"], json!("next"));
}

#[tokio::test]
async fn only_who_may_call_an_event_does() {
    let is_ada = |peer: &Peer| peer.user().as_deref() == Some("ada");
    let namespace = Namespace::new("/hub")
        .identify(user_of)
        .authorize_event("Delete", is_ada)
        .authorize_event("other", is_ada)
        .on("delete", || async { Reply("deleted") })
        .on_any(|EventName(name): EventName| async move { Reply(name.to_string()) });
    let (_, address) = serve(Omniwire::builder().namespace(namespace)).await;
    let mut ada = Client::connect(address, "/ws/hub?user=ada").await;
    let mut bob = Client::connect(address, "/ws/hub?user=bob").await;
    for (event, answer) in [("delete", "deleted"), ("Other", "Other"), ("free", "free")] {
        assert_eq!(ada.call(event, json!([])).await["result"], json!(answer));
        let answered = bob.call(event, json!([])).await;
        match event {
            "free" => assert_eq!(answered["result"], json!("free")),
            _ => assert_eq!(answered["error"]["code"], json!("forbidden"), "{event}"),
        }
    }
}

/// Adds its name around the answer of what it is put around.
fn around(
    name: &'static str,
) -> impl Fn(CallContext, Next) -> futures_util::future::BoxFuture<'static, Filtered> {
    move |call, next| {
        Box::pin(async move {
            if call.args().len() > 1 {
                return Err(Failure::client(format!("{name} stops {}", call.name())));
            }
            call.peer().emit("filter", (name, "before"))?;
            let peer = call.peer().clone();
            let outcome = next.run(call).await;
            peer.emit("filter", (name, "after"))?;
            outcome
        })
    }
}

type Filtered = Result<omniwire::Outcome, Failure>;

#[tokio::test]
async fn filters_are_around_each_other_in_order() {
    let namespace = Namespace::new("/hub")
        .filter(around("outer"))
        .on("say", |peer: Peer| async move { peer.emit("said", ()).map(|()| Reply("answer")) })
        .filter(around("inner"));
    let (_, address) = serve(Omniwire::builder().namespace(namespace)).await;
    let mut client = Client::connect(address, "/ws/hub").await;
    client.send(json!({"event": "say", "args": [], "id": 1})).await;
    for expected in [
        json!({"event": "filter", "args": ["outer", "before"]}),
        json!({"event": "filter", "args": ["inner", "before"]}),
        json!({"event": "said", "args": []}),
        json!({"event": "filter", "args": ["inner", "after"]}),
        json!({"event": "filter", "args": ["outer", "after"]}),
    ] {
        assert_eq!(client.next().await, expected);
    }
    assert_eq!(client.next().await["result"], json!("answer"));
    let stopped = client.call("say", json!([1, 2])).await;
    assert_eq!(stopped["error"]["message"], json!("outer stops say"));
}

#[tokio::test]
async fn filters_of_connections_run_without_a_handler_too() {
    let count = Arc::new(AtomicUsize::new(0));
    let came = Arc::clone(&count);
    let (left, mut leaves) = tokio::sync::mpsc::channel(2);
    let namespace = Namespace::new("/hub")
        .filter_connect(move |call, next| {
            let number = came.fetch_add(1, Ordering::Relaxed);
            async move {
                match number {
                    0 => next.run(call).await,
                    _ => Err(Failure::client("only one")),
                }
            }
        })
        .filter_disconnect(move |call, next| {
            left.try_send(call.name().to_owned()).ok();
            next.run(call)
        });
    let (_, address) = serve(Omniwire::builder().namespace(namespace)).await;
    let first = Client::connect(address, "/ws/hub").await;
    let second = crate::harness::open(address, "/ws/hub", "omniwire.json.v1").await;
    let mut second = Client { socket: second, id: String::new() };
    assert!(second.next().await.to_string().contains("only one"));
    drop(first);
    assert_eq!(leaves.recv().await.as_deref(), Some("disconnect"));
}

#[tokio::test]
async fn negotiate_can_send_clients_elsewhere_or_away() {
    let decide = |request: &RequestInfo| match request.query_value("where").as_deref() {
        Some("there") => Negotiation::Redirect {
            url: "https://elsewhere.example/hub?a=b".into(),
            access_token: Some("token".into()),
        },
        Some("nowhere") => Negotiation::Refuse("not today".into()),
        _ => Negotiation::Here,
    };
    let builder = Omniwire::builder()
        .namespace(Namespace::new("/chat"))
        .mount("/hub", SignalRMount::new("/chat").on_negotiate(decide));
    let (_, address) = serve(builder).await;
    let negotiate = async |place: &str| {
        let request = format!(
            "POST /hub/negotiate?negotiateVersion=1&where={place} HTTP/1.0\nHost: {address}\n\
             Content-Length: 0\n\n"
        );
        let answer = http(address, &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        body.to_owned()
    };
    assert_eq!(
        negotiate("there").await,
        r#"{"url":"https://elsewhere.example/hub?a=b","accessToken":"token"}"#
    );
    assert_eq!(negotiate("nowhere").await, r#"{"error":"not today"}"#);
    assert!(negotiate("here").await.starts_with(r#"{"negotiateVersion":1,"#));
}
