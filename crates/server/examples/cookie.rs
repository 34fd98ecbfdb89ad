//! A namespace whose peers are known by a cookie, which browsers send with every request, whatever
//! page makes it. What keeps other pages from using it is that the server looks at their Origin.
//!
//! `cargo run -p omniwire --example cookie -- 127.0.0.1:3002 [ORIGIN...]`, then open `/login`; pages
//! of each ORIGIN may connect too.

use axum::Router;
use axum::response::AppendHeaders;
use axum::routing::get;
use http::header::SET_COOKIE;
use omniwire::{Denied, Namespace, Omniwire, Origins, Peer, RequestInfo};
use std::error::Error;
use tokio::net::TcpListener;

/// Who it is. A real server looks a random session id up.
fn user_of(request: &RequestInfo) -> Option<String> {
    let cookies = request.header("cookie")?.split("; ");
    cookies.filter_map(|cookie| cookie.strip_prefix("user=")).next().map(str::to_owned)
}

fn account() -> Namespace {
    Namespace::new("/account")
        .identify(user_of)
        .authorize(|request| {
            user_of(request).map(drop).ok_or_else(|| Denied::unauthorized("log in first"))
        })
        .on_connect(
            |peer: Peer| async move { peer.emit("balance", (user_of(peer.request()), 100)) },
        )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3002".to_owned());
    let others: Vec<_> = arguments.collect();
    let mut builder = Omniwire::builder().namespace(account());
    if !others.is_empty() {
        builder = builder.origins(Origins::list(others)?);
    }
    let login =
        || async { (AppendHeaders([(SET_COOKIE, "user=ada; Path=/; HttpOnly")]), "hello\n") };
    let app = Router::new().route("/login", get(login)).merge(builder.build()?.router());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
