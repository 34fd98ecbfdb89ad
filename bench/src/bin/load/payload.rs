//! Messages that differ from each other, so that a mixed-up or damaged one is noticed.

/// Messages of one length: who sent them and the how manyeth each is, then text whose place in
/// the pattern depends on both. All of it can stand in a JSON string as it is.
#[derive(Debug)]
pub(crate) struct Payloads {
    len: usize,
    /// The pattern, long enough to be read from any of its places.
    text: Vec<u8>,
}

/// A message's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) sender: usize,
    pub(crate) sequence: u64,
}

impl Payloads {
    pub(crate) fn new(len: usize) -> Self {
        let text = PATTERN.iter().copied().cycle().take(PATTERN.len() + len).collect();
        Self { len, text }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends a message.
    pub(crate) fn write(&self, out: &mut Vec<u8>, label: Label) {
        let head = head(label);
        let head_len = HEAD_LEN.min(self.len);
        out.extend_from_slice(&head[..head_len]);
        out.extend_from_slice(self.rest(label));
    }

    /// Whether these octets are the message of this name.
    pub(crate) fn is(&self, octets: &[u8], label: Label) -> bool {
        let head_len = HEAD_LEN.min(self.len);
        octets.len() == self.len
            && octets[..head_len] == head(label)[..head_len]
            && octets[head_len..] == *self.rest(label)
    }

    /// The name that a message says it has.
    pub(crate) fn label(&self, octets: &[u8]) -> Option<Label> {
        let head = std::str::from_utf8(octets.get(..HEAD_LEN)?).ok()?;
        let number = u64::from_str_radix(head, 16).ok()?;
        Some(Label { sender: (number >> 40) as usize, sequence: number & SEQUENCE_MAX })
    }

    fn rest(&self, label: Label) -> &[u8] {
        let from = (label.sender + label.sequence as usize) % PATTERN.len();
        &self.text[from..from + self.len.saturating_sub(HEAD_LEN)]
    }
}

fn head(label: Label) -> [u8; HEAD_LEN] {
    let number = (label.sender as u64) << 40 | (label.sequence & SEQUENCE_MAX);
    std::array::from_fn(|at| DIGITS[(number >> (4 * (HEAD_LEN - 1 - at)) & 15) as usize])
}

/// Octets of a message's name in front of it.
pub(crate) const HEAD_LEN: usize = 16;
const SEQUENCE_MAX: u64 = 0xff_ffff_ffff;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Of a prime length, so that no message is a shifted copy of its neighbour.
const PATTERN: &[u8; 251] = b"The quick brown fox jumps over the lazy dog while forty-two boxing \
    wizards vex a jolly squid; pack my box with five dozen liquor jugs, said the sphinx of black \
    quartz, and judge my vow: how vexingly quick daft zebras jump when waltz, nymph, forth go!!";

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sender: usize, sequence: u64, len: usize) -> Vec<u8> {
        let mut out = b"before".to_vec();
        Payloads::new(len).write(&mut out, Label { sender, sequence });
        out.split_off(6)
    }

    #[test]
    fn a_message_has_its_length_and_is_text() {
        for len in [0, 1, 15, 16, 17, 512, 70_000] {
            let message = message(3, 9, len);
            assert_eq!(message.len(), len);
            assert!(message.iter().all(|c| c.is_ascii_graphic() || *c == b' '));
            assert!(!message.contains(&b'"') && !message.contains(&b'\\'));
        }
    }

    #[test]
    fn no_two_messages_are_the_same() {
        assert_ne!(message(1, 0, 128), message(0, 1, 128));
        assert_ne!(message(0, 0, 128)[16..], message(0, 1, 128)[16..]);
    }

    #[test]
    fn a_message_is_known_by_its_name_and_one_wrong_octet_is_noticed() {
        let (payloads, label) = (Payloads::new(300), Label { sender: 7, sequence: 1 << 33 });
        let mut octets = message(7, 1 << 33, 300);
        assert_eq!(payloads.label(&octets), Some(label));
        assert!(payloads.is(&octets, label));
        assert!(!payloads.is(&octets[..299], label));
        for at in [0, 15, 16, 299] {
            octets[at] ^= 1;
            assert!(!payloads.is(&octets, label));
            octets[at] ^= 1;
        }
    }
}
