//! What the lines of a client tell its driver.

use tokio::sync::mpsc;

/// Where what happens on a line is told, with the line's number.
pub(super) struct Teller<T>(pub(super) u32, pub(super) mpsc::Sender<(u32, T)>);

impl<T> Clone for Teller<T> {
    fn clone(&self) -> Self {
        Self(self.0, self.1.clone())
    }
}

impl<T> Teller<T> {
    pub(super) async fn tell(&self, told: T) {
        // At the end of the program nobody listens.
        self.1.send((self.0, told)).await.ok();
    }
}
