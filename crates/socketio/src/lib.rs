//! Part of Omniwire.
