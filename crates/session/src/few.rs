//! A list of what most have one of.

use std::ops::{Deref, DerefMut};

/// A list that keeps its only item in itself, in the room of that item (or of two pointers).
#[derive(Debug, Default)]
pub enum Few<T> {
    /// Nothing.
    #[default]
    None,
    /// One.
    One(T),
    /// More than one; or less, when some of these were removed.
    Many(Box<List<T>>),
}

/// The items of [`Few::Many`].
#[derive(Debug)]
pub struct List<T>(Vec<T>);

impl<T> Few<T> {
    /// Appends an item.
    pub fn push(&mut self, item: T) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(item),
            Self::One(first) => Self::Many(Box::new(List(vec![first, item]))),
            Self::Many(mut list) => {
                list.0.push(item);
                Self::Many(list)
            }
        };
    }

    /// Removes the first item that `is_it`; those behind it move up.
    pub fn remove(&mut self, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let index = self.iter().position(is_it)?;
        match std::mem::take(self) {
            Self::None => None,
            Self::One(item) => Some(item),
            Self::Many(mut list) => {
                let item = list.0.remove(index);
                if !list.0.is_empty() {
                    *self = Self::Many(list);
                }
                Some(item)
            }
        }
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::None => Vec::new(),
            Self::One(item) => vec![item],
            Self::Many(list) => list.0,
        }
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(list) => &list.0,
        }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::None => &mut [],
            Self::One(item) => std::slice::from_mut(item),
            Self::Many(list) => &mut list.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_in_order_and_leave_nothing_behind() {
        let mut few = Few::default();
        for item in ["a", "b", "c"] {
            few.push(item);
        }
        assert_eq!(*few, ["a", "b", "c"]);
        assert_eq!(
            (few.remove(|item| *item == "b"), few.remove(|item| *item == "b")),
            (Some("b"), None)
        );
        few[0] = "d";
        assert_eq!(*few, ["d", "c"]);
        assert_eq!((few.remove(|_| true), few.remove(|_| true)), (Some("d"), Some("c")));
        assert!(matches!(few, Few::None));
        few.push("e");
        assert!(matches!(few, Few::One("e")));
        few[0] = "f";
        assert_eq!((few.remove(|item| *item == "e"), few.into_vec()), (None, vec!["f"]));
        assert_eq!(size_of::<Few<Box<u8>>>(), 2 * size_of::<usize>());
    }
}
