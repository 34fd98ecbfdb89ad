//! What a session wants done, until it is drained.

use crate::Output;
use std::cell::Cell;
use std::collections::VecDeque;

/// A queue of [`Output`]s that is a pointer while it is empty, which is most of the time. Its
/// memory then serves the next session of the thread: to be drained costs no allocation.
#[derive(Debug, Default)]
pub struct Outputs(Option<Box<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    outputs: VecDeque<Output>,
}

thread_local! {
    static SPARE: Cell<Option<Box<Queue>>> = const { Cell::new(None) };
}

impl Outputs {
    /// A queue with nothing in it.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Appends an output.
    pub fn push_back(&mut self, output: Output) {
        // There is none while the thread ends.
        let spare = || SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        self.0.get_or_insert_with(spare).outputs.push_back(output);
    }

    /// The next output. Asked until there is none, the queue keeps no memory.
    pub fn pop_front(&mut self) -> Option<Output> {
        let next = self.0.as_mut()?.outputs.pop_front();
        if next.is_none()
            && let Some(queue) = self.0.take()
            && queue.outputs.capacity() <= SPARE_CAPACITY_MAX
        {
            // Dropped here if the thread ends.
            SPARE.try_with(|spare| spare.set(Some(queue))).ok();
        }
        next
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.outputs.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Of a larger queue the memory is given back.
const SPARE_CAPACITY_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Link;

    #[test]
    fn a_drained_queue_keeps_nothing_and_the_next_has_its_memory() {
        let (mut outputs, mut others) = (Outputs::new(), Outputs::new());
        let link = |number| Output::Release(Link(number));
        outputs.push_back(link(1));
        outputs.push_back(link(2));
        others.push_back(link(3));
        assert_eq!((outputs.len(), others.len()), (2, 1));
        let drained: Vec<_> = std::iter::from_fn(|| outputs.pop_front()).collect();
        assert!(matches!(drained[..], [Output::Release(Link(1)), Output::Release(Link(2))]));
        assert!(outputs.0.is_none() && outputs.is_empty());
        assert!(SPARE.take().is_some_and(|queue| queue.outputs.is_empty()));
        assert!(matches!(others.pop_front(), Some(Output::Release(Link(3)))));
        assert_eq!(size_of::<Outputs>(), size_of::<usize>());
    }
}
