//! Namespaces that are made when somebody asks to enter them.

use super::namespace::Namespace;
use super::space::{Space, SpaceTerms};
use crate::quoted::quoted;
use crate::server::note_refusal;
use omniwire_session::ByteString;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

/// Makes the namespace of a name, if there is one of that name.
pub(crate) type Make = Box<dyn Fn(&str) -> Option<Namespace> + Send + Sync>;

/// Namespaces by function. Each lives as long as somebody is in it, or holds it.
pub(crate) struct DynamicSpaces {
    makers: Vec<Make>,
    terms: SpaceTerms,
    registry: Arc<Registry>,
    /// How often there were too many for another.
    refused: AtomicU64,
}

impl fmt::Debug for DynamicSpaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicSpaces").field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// Those that live.
#[derive(Debug, Default)]
struct Registry(Mutex<HashMap<ByteString, Weak<Space>>>);

/// Takes a namespace off the registry when it goes.
#[derive(Debug)]
pub(crate) struct Listed {
    registry: Arc<Registry>,
    name: ByteString,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut listed = self.registry.0.lock();
        // Another of this name may have come meanwhile.
        if listed.get(&self.name).is_some_and(|space| space.strong_count() == 0) {
            listed.remove(&self.name);
        }
    }
}

impl DynamicSpaces {
    pub(crate) fn new(makers: Vec<Make>, terms: SpaceTerms) -> Self {
        Self { makers, terms, registry: Arc::default(), refused: AtomicU64::new(0) }
    }

    /// The living namespace of this name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Space>> {
        self.registry.0.lock().get(name)?.upgrade()
    }

    /// All that live.
    pub(crate) fn living(&self) -> Vec<Arc<Space>> {
        self.registry.0.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// The namespace of this name, made if need be.
    pub(crate) fn enter(&self, name: &ByteString) -> Option<Arc<Space>> {
        if let Some(space) = self.find(name) {
            return Some(space);
        }
        // The application's function runs without the lock.
        let mut namespace = self.makers.iter().find_map(|make| make(name))?;
        namespace.name = name.clone();
        let listed = Listed { registry: Arc::clone(&self.registry), name: name.clone() };
        let made = namespace.into_space(&self.terms, Some(listed));
        let mut spaces = self.registry.0.lock();
        let known = spaces.get(name).and_then(Weak::upgrade);
        let full = known.is_none() && spaces.len() >= self.terms.limits.dynamic_namespaces_max;
        if known.is_none() && !full {
            spaces.insert(name.clone(), Arc::downgrade(&made));
        }
        // What is not wanted takes itself off the registry, which needs the lock.
        drop(spaces);
        if full {
            if let Some(refused) = note_refusal(&self.refused) {
                tracing::warn!(name = %quoted(name), refused, "there are too many namespaces");
            }
            return None;
        }
        Some(known.unwrap_or(made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::backlog::Backlog;
    use omniwire_hub::Lanes;
    use omniwire_session::limits::Limits;

    fn spaces(dynamic_namespaces_max: usize) -> DynamicSpaces {
        let mut limits = Limits::default();
        limits.dynamic_namespaces_max = dynamic_namespaces_max;
        let make: Make = Box::new(|name| name.starts_with("/room-").then(|| Namespace::new("/")));
        DynamicSpaces::new(
            vec![make],
            SpaceTerms {
                backlog: Backlog::new(&limits),
                limits,
                epoch: 1,
                timers: Arc::default(),
                counters: Arc::default(),
                cluster: None,
                lanes: Lanes::default(),
            },
        )
    }

    #[test]
    fn lives_while_it_is_held_and_is_one_for_all() {
        let spaces = spaces(10);
        assert!(spaces.enter(&"/other".into()).is_none());
        assert!(spaces.find("/room-1").is_none());
        let first = spaces.enter(&"/room-1".into()).unwrap();
        let second = spaces.enter(&"/room-1".into()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(first.name, "/room-1");
        drop(first);
        assert!(spaces.find("/room-1").is_some());
        drop(second);
        assert!(spaces.find("/room-1").is_none());
        assert!(spaces.registry.0.lock().is_empty());
    }

    #[test]
    fn is_bounded_in_number() {
        let spaces = spaces(1);
        let first = spaces.enter(&"/room-1".into()).unwrap();
        assert!(spaces.enter(&"/room-2".into()).is_none());
        drop(first);
        assert!(spaces.enter(&"/room-2".into()).is_some());
    }
}
