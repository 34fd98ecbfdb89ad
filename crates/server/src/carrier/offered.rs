//! What a request's connection may become, among the request's extensions, until whoever answers
//! the request takes it.

use http::Extensions;
use parking_lot::Mutex;
use std::sync::Arc;

/// Something that can be taken once.
struct Offered<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Offered<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Offers it with a request.
pub(super) fn offer<T: Send + 'static>(extensions: &mut Extensions, it: T) {
    extensions.insert(Offered(Arc::new(Mutex::new(Some(it)))));
}

/// What is offered with a request, if nobody has taken it.
pub(super) fn take<T: Send + 'static>(extensions: &Extensions) -> Option<T> {
    extensions.get::<Offered<T>>()?.0.lock().take()
}
