//! The one lock of this crate. Under `--cfg shuttle` it is the model checker's, which decides who
//! runs next wherever a lock is taken: see `tests/models.rs`.

#[cfg(shuttle)]
pub(crate) use modelled::{Mutex, MutexGuard};
#[cfg(not(shuttle))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(shuttle)]
mod modelled {
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    pub(crate) type MutexGuard<'a, T> = shuttle::sync::MutexGuard<'a, T>;

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no model goes on after a panic")
        }

        /// Asked for the sake of the look alone.
        pub(crate) fn is_locked(&self) -> bool {
            false
        }
    }
}
