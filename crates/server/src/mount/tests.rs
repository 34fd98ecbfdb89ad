//! Who may open a session.

use super::*;
use crate::{Namespace, Omniwire};
use axum::body::Body;
use omniwire_session::limits::Limits;
use omniwire_session::{Input, Reason};
use tower_service::Service as _;

#[tokio::test]
async fn an_address_has_so_many_sessions_and_may_open_another_when_one_has_ended() {
    let mut limits = Limits::default();
    limits.ip_sessions_max = 1;
    let server = Omniwire::builder().namespace(Namespace::new("/")).limits(limits).build();
    let server = server.unwrap();
    let open = async |from: &str| {
        let request = Request::get("/socket.io/?EIO=4&transport=polling");
        let remote = Remote(from.parse().unwrap());
        let request = request.extension(remote).body(Body::empty()).unwrap();
        server.router().call(request).await.unwrap().status().as_u16()
    };
    assert_eq!(open("192.0.2.1:1").await, 200);
    assert_eq!((open("192.0.2.1:2").await, open("192.0.2.2:1").await), (429, 200));
    for cell in server.shared.table.all() {
        cell.handle(Input::Close { reason: Reason::Shutdown }).unwrap();
    }
    assert_eq!(server.shared.table.len(), 0);
    assert_eq!((open("192.0.2.1:2").await, open("192.0.2.1:3").await), (200, 429));
}
