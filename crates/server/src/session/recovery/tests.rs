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

/// Notes when it is dropped whether others may look at who is away.
#[derive(Debug)]
struct Looks(Arc<Space>, std::sync::mpsc::Sender<bool>);

impl Drop for Looks {
    fn drop(&mut self) {
        let is_free = self.0.recovery.as_ref().unwrap().state.try_lock().is_some();
        self.1.send(is_free).unwrap();
    }
}

/// What was kept with a peer belongs to the application, and its `Drop` may do anything.
#[tokio::test]
async fn what_was_kept_is_dropped_with_nothing_locked() {
    let space = space(ConnectionRecovery { away_max: 0, ..ConnectionRecovery::default() });
    let (sender, dropped) = std::sync::mpsc::channel();
    let looks = Looks(Arc::clone(&space), sender.clone());
    Recovery::keep(&space, away("surplus", vec![Arc::new(looks)]));
    assert!(dropped.try_recv().unwrap());
    let recovery = space.recovery.as_ref().unwrap();
    let late = Away {
        until: clock::now(),
        ..away("late", vec![Arc::new(Looks(Arc::clone(&space), sender))])
    };
    recovery.state.lock().order.push_back((late.until, late.token.clone()));
    recovery.state.lock().away.insert(late.token.clone(), late);
    watch(Arc::clone(&space)).await;
    assert!(dropped.try_recv().unwrap());
}
