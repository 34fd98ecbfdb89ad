use std::collections::HashSet;

use super::from_secret;

#[test]
fn rfc6455_5_3_each_frame_has_a_fresh_mask() {
    // B8: 10,000 keys differ, and each bit is set in about half of them.
    let mut next = from_secret([7; 32]);
    let keys: Vec<u32> = (0..10_000).map(|_| u32::from_le_bytes(next())).collect();
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    for bit in 0..32 {
        let set = keys.iter().filter(|key| **key >> bit & 1 == 1).count();
        assert!((4_700..5_300).contains(&set), "bit {bit} is set in {set}");
    }
    assert_ne!(from_secret([8; 32])(), from_secret([7; 32])());
}
