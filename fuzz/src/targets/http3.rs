//! What we read of HTTP/3 ourselves: `:protocol` in a field section.

#[path = "../../../crates/server/src/edge/http3/protocol.rs"]
mod protocol;

use bytes::Bytes;

/// What is left is what was there, but for one piece; and nothing more is to be taken out.
pub(crate) fn field_section(input: &[u8]) {
    let Ok(section) = protocol::take(Bytes::copy_from_slice(input)) else { return };
    let (block, taken) = (&section.block, input.len() - section.block.len());
    assert_eq!(taken > 0, section.protocol.is_some());
    let same = block.iter().zip(input).take_while(|(one, other)| one == other).count();
    assert_eq!(block[same..], input[same + taken..]);
    if section.protocol.is_some() {
        let again = protocol::take(block.clone()).expect("it had one :protocol");
        assert_eq!((again.protocol, again.block), (None, block.clone()));
    }
}
