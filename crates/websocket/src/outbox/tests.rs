use std::io::IoSlice;

use bytes::{Buf, Bytes};
use proptest::prelude::*;

use super::Outbox;

fn pieces(outbox: &Outbox) -> Vec<Vec<u8>> {
    let mut slices = [IoSlice::new(&[]); 64];
    let count = outbox.chunks_vectored(&mut slices);
    slices[..count].iter().map(|slice| slice.to_vec()).collect()
}

#[test]
fn one_shared_piece_is_not_copied() {
    let piece = Bytes::from(vec![1; 20]);
    let mut outbox = Outbox::default();
    outbox.push(&piece);
    assert_eq!(outbox.chunk().as_ptr(), piece.as_ptr());
}

#[test]
fn small_pieces_are_joined_and_large_ones_are_not_copied() {
    let large = Bytes::from(vec![9; 100_000]);
    let mut outbox = Outbox::default();
    for _ in 0..10 {
        outbox.push(&Bytes::from_static(b"ab"));
    }
    outbox.push(&large);
    outbox.copy(b"", b"c", 0);
    outbox.push(&Bytes::from_static(b"d"));
    let pieces = pieces(&outbox);
    assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [20, 100_000, 2]);
    outbox.advance(20);
    assert_eq!(outbox.chunk().as_ptr(), large.as_ptr());
    outbox.advance(100_000);
    assert_eq!(outbox.chunk(), b"cd");
    outbox.advance(2);
    assert!(!outbox.has_remaining());
    assert!(outbox.rest.is_none(), "empty, it owns no memory");
}

#[test]
fn what_is_queued_is_not_copied_to_grow() {
    let mut outbox = Outbox::default();
    let push = |outbox: &mut Outbox, count| {
        (0..count).for_each(|_| outbox.push(&Bytes::from_static(&[7; 100])));
    };
    push(&mut outbox, 30);
    let first = outbox.chunk().as_ptr();
    push(&mut outbox, 600);
    assert_eq!(outbox.chunk().as_ptr(), first);
    let lens: Vec<_> = pieces(&outbox).iter().map(Vec::len).collect();
    assert!(lens.len() <= 6, "pieces grow with what is queued: {lens:?}");
}

proptest! {
    #[test]
    fn what_is_queued_comes_out_in_order(
        lens in prop::collection::vec(prop_oneof![0usize..50, 2_000usize..5_000], 0..30),
        taken in prop::collection::vec(1usize..3_000, 1..60),
        written: bool,
    ) {
        let (mut outbox, mut expected, mut out) = (Outbox::default(), Vec::new(), Vec::new());
        let mut taken = taken.iter().cycle();
        for (at, len) in lens.iter().enumerate() {
            let piece = vec![at as u8; *len];
            expected.extend_from_slice(&piece);
            if written && at % 2 == 0 {
                let (head, rest) = piece.split_at(len / 3);
                outbox.copy(head, rest, at * 100);
            } else {
                outbox.push(&piece.into());
            }
            if at % 3 == 0 {
                let count = (*taken.next().unwrap()).min(outbox.remaining());
                out.extend_from_slice(&pieces(&outbox).concat()[..count]);
                outbox.advance(count);
            }
            prop_assert_eq!(out.len() + outbox.remaining(), expected.len());
        }
        out.extend_from_slice(&outbox.copy_to_bytes(outbox.remaining()));
        prop_assert_eq!(out, expected);
    }
}
