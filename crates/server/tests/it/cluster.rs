//! What one server says to the application's others.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use omniwire::{
    Answers, Builder, Cluster, Failure, Namespace, NamespaceHandle, Omniwire, RawArgs, Reply,
    ServerEvent,
};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

/// The other servers, in this process.
#[derive(Debug, Clone, Default)]
struct Others(Arc<OnceLock<Vec<Omniwire>>>);

impl Cluster for Others {
    fn tell(&self, said: ServerEvent) -> BoxFuture<'static, usize> {
        let count = self.0.get().map_or(0, Vec::len);
        let told = self.ask(said, SOON);
        told.map(move |_| count).boxed()
    }

    fn ask(&self, said: ServerEvent, _: Duration) -> BoxFuture<'static, Answers> {
        let others = self.0.get().cloned().unwrap_or_default();
        async move {
            let heard = join_all(others.iter().map(|other| other.hear(said.clone()))).await;
            let mut answers = Answers::default();
            answers.given = heard.into_iter().flatten().collect();
            answers.missing = others.len() - answers.given.len();
            answers
        }
        .boxed()
    }
}

type Heard = mpsc::Receiver<(String, String)>;

/// A server whose `/chat` hears three events, and what it hears of the first.
fn server(name: &'static str) -> (Builder, Heard) {
    let (tell, heard) = mpsc::channel(8);
    let chat = Namespace::new("/chat")
        .on_server_side_emit("news", move |here: NamespaceHandle, (text,): (String,)| {
            tell.try_send((here.name().to_owned(), text)).unwrap();
            async move { Reply((name,)) }
        })
        .on_server_side_emit("refuse", |_: NamespaceHandle, _: RawArgs| async {
            Err::<(), _>(Failure::client("no"))
        })
        .on_server_side_emit("panic", |_: NamespaceHandle, _: RawArgs| async {
            if true {
                panic!("in a listener")
            }
        });
    let builder = Omniwire::builder().bare_namespace(chat).bare_namespace(Namespace::new("/"));
    (builder, heard)
}

/// Three servers, the first of which speaks.
fn three() -> (NamespaceHandle, [Heard; 3], Omniwire) {
    let others = Others::default();
    let (first, heard) = server("first");
    let first = first.cluster(others.clone()).build().unwrap();
    let (second, heard_second) = server("second");
    let (third, heard_third) = server("third");
    let (second, third) = (second.build().unwrap(), third.build().unwrap());
    others.0.set(vec![second.clone(), third]).unwrap();
    (first.namespace("/chat").unwrap(), [heard, heard_second, heard_third], second)
}

#[tokio::test]
async fn all_others_hear_it_and_not_the_one_that_says_it() {
    let (handle, [mut own, mut second, mut third], _) = three();
    assert_eq!(handle.server_side_emit("news", ("a",)).await.unwrap(), 2);
    assert_eq!(handle.server_side_emit("news", ("b",)).await.unwrap(), 2);
    for heard in [&mut second, &mut third] {
        for text in ["a", "b"] {
            assert_eq!(heard.recv().await.unwrap(), ("/chat".to_owned(), text.to_owned()));
        }
    }
    assert!(own.try_recv().is_err());
}

#[tokio::test]
async fn those_who_are_asked_answer() {
    let (handle, _heard, _) = three();
    let answers = handle.server_side_ask("news", ("a",), SOON).await.unwrap();
    let given: Vec<_> = answers.given.iter().map(|given| &**given.json()).collect();
    assert_eq!((given, answers.missing), (vec![r#""second""#, r#""third""#], 0));
}

#[tokio::test]
async fn a_listener_that_fails_or_is_not_there_is_no_answer() {
    let (handle, _heard, second) = three();
    for event in ["refuse", "panic", "nobody listens"] {
        let answers = handle.server_side_ask(event, (), SOON).await.unwrap();
        assert_eq!((answers.given.len(), answers.missing), (0, 2), "{event}");
    }
    // The arguments are not those that it takes.
    let answers = handle.server_side_ask("news", (1, 2), SOON).await.unwrap();
    assert_eq!(answers.missing, 2);
    assert_eq!(second.stats().handler_panics, 1);
    let (name, args) = ("news".into(), RawArgs::default());
    let elsewhere = ServerEvent { namespace: "/nowhere".into(), name, args };
    assert_eq!(second.hear(elsewhere.clone()).await, None);
    assert_eq!(second.hear(ServerEvent { namespace: "/".into(), ..elsewhere }).await, None);
}

/// What a listener does after its answer is done before the server ends.
#[tokio::test]
async fn what_follows_an_answer_is_waited_for_and_its_panic_counted() {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let answer = move |_: NamespaceHandle, _: RawArgs| {
        let wait = Arc::clone(&wait);
        let after = async move {
            wait.notified().await;
            if true {
                panic!("after the answer")
            }
        };
        async { Reply(("yes",)).then(after) }
    };
    let chat = Namespace::new("/chat").on_server_side_emit("ask", answer);
    let server = Omniwire::builder().bare_namespace(chat).build().unwrap();
    let (name, args) = ("ask".into(), RawArgs::default());
    let said = ServerEvent { namespace: "/chat".into(), name, args };
    assert_eq!(&**server.hear(said).await.unwrap().json(), r#""yes""#);
    let mut done = pin!(server.handlers_done());
    assert!(done.as_mut().now_or_never().is_none());
    go.notify_one();
    timeout(SOON, done).await.unwrap();
    assert_eq!(server.stats().handler_panics, 1);
}

#[tokio::test]
async fn alone_nobody_hears_it_and_nobody_is_waited_for() {
    let (builder, mut heard) = server("alone");
    let handle = builder.build().unwrap().namespace("/chat").unwrap();
    assert_eq!(handle.server_side_emit("news", ("a",)).await.unwrap(), 0);
    let asked = handle.server_side_ask("news", ("a",), SOON);
    assert_eq!(asked.now_or_never().unwrap().unwrap(), Answers::default());
    assert!(heard.try_recv().is_err());
}
