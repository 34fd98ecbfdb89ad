//! Who is away, and who waits for that.

use super::*;
use crate::{Namespace, Omniwire};
use tokio::sync::oneshot::error::TryRecvError;

fn space(recovery: ConnectionRecovery) -> Arc<Space> {
    let namespace = Namespace::new("/n").connection_recovery(recovery);
    let omniwire = Omniwire::builder().namespace(namespace).build().unwrap();
    omniwire.shared.space("/n").unwrap()
}

fn away(token: &'static str, values: Kept) -> Away {
    Away {
        key: MemberKey(1),
        id: "id".into(),
        token: ByteString::from_static(token),
        rooms: Vec::new(),
        values,
        until: later(clock::now(), Duration::from_secs(60)),
    }
}

/// It may go by itself after its client was found to be it, and before that client waits.
#[tokio::test]
async fn who_is_away_by_now_need_not_be_waited_for() {
    let space = space(ConnectionRecovery::default());
    let recovery = space.recovery.as_ref().unwrap();
    let token = ByteString::from_static("token");
    recovery.state.lock().here.insert(token.clone(), Weak::new());
    Recovery::keep(&space, away("token", Kept::new()));
    assert!(recovery.await_away(&token).try_recv().is_ok());
    // It was brought to one, and to no other.
    assert_eq!(recovery.await_away(&token).try_recv().unwrap_err(), TryRecvError::Closed);
    recovery.state.lock().here.insert(token.clone(), Weak::new());
    recovery.forget(&token);
    assert_eq!(recovery.await_away(&token).try_recv().unwrap_err(), TryRecvError::Closed);
    recovery.state.lock().here.insert(token.clone(), Weak::new());
    let mut coming = recovery.await_away(&token);
    assert_eq!(coming.try_recv().unwrap_err(), TryRecvError::Empty);
    Recovery::keep(&space, away("token", Kept::new()));
    assert!(coming.try_recv().is_ok());
}
