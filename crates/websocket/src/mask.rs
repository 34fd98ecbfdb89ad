//! Masking (RFC 6455 section 5.3).

/// XORs `data` with the masking key, in place. Masking twice gives the input back.
///
/// `offset` is the position of `data` within the frame's payload, so that a payload can be
/// unmasked piece by piece as it arrives.
///
/// The work is done in words of eight octets, which the compiler turns into vector instructions.
///
/// ```
/// let mut data = *b"Hello";
/// omniwire_websocket::mask::apply(&mut data, [0x37, 0xfa, 0x21, 0x3d], 0);
/// assert_eq!(data, [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // RFC 6455 section 5.7
/// ```
pub fn apply(data: &mut [u8], key: [u8; 4], offset: usize) {
    // j = i MOD 4 (section 5.3): turn the key so that it starts at this piece's first octet.
    let key = u32::from_le_bytes(key).rotate_right(((offset & 3) as u32) << 3);
    let wide = u64::from(key) << 32 | u64::from(key);
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ wide).to_le_bytes();
    }
    for (octet, key) in rest.iter_mut().zip(wide.to_le_bytes()) {
        *octet ^= key;
    }
}

#[cfg(test)]
mod tests;
