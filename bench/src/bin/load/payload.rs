//! Messages that differ from each other, so that a mixed-up or damaged one is noticed.

/// Writes message `sequence` of connection `connection`: both numbers, then text whose place in
/// the pattern depends on them.
pub(crate) fn write(out: &mut Vec<u8>, connection: usize, sequence: u64, len: usize) {
    let start = out.len();
    let head = (connection as u64) << 40 | (sequence & 0xff_ffff_ffff);
    for shift in (0..HEAD_LEN).rev() {
        let digit = head >> (4 * shift) & 15;
        out.push(DIGITS[digit as usize]);
    }
    let mut from = (connection + sequence as usize) % PATTERN.len();
    while out.len() - start < len {
        let missing = len - (out.len() - start);
        let piece = &PATTERN[from..];
        out.extend_from_slice(&piece[..piece.len().min(missing)]);
        from = 0;
    }
    out.truncate(start + len);
}

const HEAD_LEN: u32 = 16;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Of a prime length, so that no message is a shifted copy of its neighbour.
const PATTERN: &[u8; 251] = b"The quick brown fox jumps over the lazy dog while forty-two boxing \
    wizards vex a jolly squid; pack my box with five dozen liquor jugs, said the sphinx of black \
    quartz, and judge my vow: how vexingly quick daft zebras jump when waltz, nymph, forth go!!";

#[cfg(test)]
mod tests {
    use super::*;

    fn message(connection: usize, sequence: u64, len: usize) -> Vec<u8> {
        let mut out = b"before".to_vec();
        write(&mut out, connection, sequence, len);
        out.split_off(6)
    }

    #[test]
    fn a_message_has_its_length_and_is_text() {
        for len in [0, 1, 15, 16, 17, 512, 70_000] {
            let message = message(3, 9, len);
            assert_eq!(message.len(), len);
            assert!(message.is_ascii());
        }
    }

    #[test]
    fn no_two_messages_are_the_same() {
        assert_ne!(message(1, 0, 128), message(0, 1, 128));
        assert_ne!(message(0, 0, 128)[16..], message(0, 1, 128)[16..]);
    }
}
