//! A client's masking keys.

use std::io;

use sha1::{Digest, Sha1};

use crate::Masks;

/// Keys that nobody can foresee (RFC 6455 sections 5.3 and 10.3).
pub(super) fn random() -> io::Result<Masks> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(from_secret(secret))
}

/// SHA-1 of a secret and a counter: it asks the system once, and cannot fail afterwards.
fn from_secret(secret: [u8; 32]) -> Masks {
    let mut counter = 0u64;
    let mut block = Vec::new().into_iter();
    Box::new(move || {
        loop {
            if let Some(key) = block.next() {
                return key;
            }
            let mut hash = Sha1::new();
            hash.update(secret);
            hash.update(counter.to_le_bytes());
            counter = counter.wrapping_add(1);
            block = hash.finalize().as_chunks::<4>().0.to_vec().into_iter();
        }
    })
}

#[cfg(test)]
mod tests;
