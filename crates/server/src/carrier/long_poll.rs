//! One response that ends with the first thing it brings.

use super::Place;
use crate::session::cell::{Cell, Chunk};
use omniwire_session::{Answer, Carrier, CarrierId, Fault};
use std::sync::Arc;

/// A poll that the session has taken. Dropped, for instance because the client went away, it is
/// lost and the session is told.
pub(crate) struct Poll(Place);

impl Poll {
    /// Attaches a poll.
    ///
    /// # Errors
    /// The session takes no poll now.
    pub(crate) fn attach(cell: &Arc<Cell>) -> Result<Self, Fault> {
        let id = cell.attach(Carrier::LongPoll)?;
        Ok(Self::attached(cell, id))
    }

    /// A poll that was attached already.
    pub(crate) fn attached(cell: &Arc<Cell>, id: CarrierId) -> Self {
        Self(Place::new(cell, id))
    }

    /// Waits until the session answers it.
    pub(crate) async fn answer(self, content_type: &'static str) -> Answer {
        self.answer_and_manner(content_type).await.0
    }

    /// The same, and whether any of it may be compressed.
    pub(crate) async fn answer_and_manner(self, content_type: &'static str) -> (Answer, bool) {
        let (cell, id) = (&self.0.cell, &self.0.id);
        match std::future::poll_fn(|context| cell.poll_chunk(*id, context)).await {
            Chunk::More(data) => (Answer::new(200, content_type, data.freeze()), true),
            Chunk::Last { data, compressible } => {
                (Answer::new(200, content_type, data.freeze()), compressible)
            }
            Chunk::End(ending) => (ending.answer, true),
        }
    }
}
