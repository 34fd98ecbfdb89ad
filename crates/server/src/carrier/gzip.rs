//! A gzip stream (RFC 1952) of which nothing waits in a compressor.

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};
use std::cell::Cell;

/// One compressed response. Each piece is flushed, so that it can be read at once, and may refer
/// to what came before it. The compressor itself, which takes some 300 KB, is its thread's: a
/// stream keeps only its newest [`WINDOW_LEN`] bytes, from which the compressor goes on.
#[derive(Debug, Default)]
pub(crate) struct Gzip {
    window: Vec<u8>,
    sum: Crc,
}

impl Gzip {
    /// This much more of the stream, which must not be nothing.
    pub(crate) fn piece(&mut self, piece: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(
            (piece.len() / 2).saturating_add(HEADER.len()).saturating_add(SLACK_LEN),
        );
        if self.sum.amount() == 0 {
            out.extend_from_slice(&HEADER);
        }
        self.sum.update(piece);
        let mut compressor =
            COMPRESSOR.take().unwrap_or_else(|| Compress::new(Compression::default(), false));
        compressor.reset();
        // It refuses a dictionary only in the middle of a block.
        compressor.set_dictionary(&self.window).ok();
        compress(&mut compressor, piece, &mut out);
        COMPRESSOR.set(Some(compressor));
        self.keep(piece);
        out.into()
    }

    /// The end, after at least one piece.
    pub(crate) fn end(&self) -> Bytes {
        let mut out = LAST_BLOCK.to_vec();
        out.extend_from_slice(&self.sum.sum().to_le_bytes());
        // Of the length only the lowest 32 bits count (RFC 1952, 2.3.1).
        out.extend_from_slice(&self.sum.amount().to_le_bytes());
        out.into()
    }

    fn keep(&mut self, piece: &[u8]) {
        let new = piece.split_at(piece.len().saturating_sub(WINDOW_LEN)).1;
        let old_len = self.window.len().min(WINDOW_LEN.saturating_sub(new.len()));
        self.window.drain(..self.window.len().saturating_sub(old_len));
        self.window.reserve_exact(new.len());
        self.window.extend_from_slice(new);
    }
}

/// Appends whole blocks that end with an octet.
fn compress(compressor: &mut Compress, piece: &[u8], out: &mut Vec<u8>) {
    loop {
        let rest = piece.get(compressor.total_in() as usize..).unwrap_or_default();
        out.reserve((rest.len() / 2).saturating_add(SLACK_LEN));
        let room = out.capacity();
        // Deflate takes any input in any state: it has no error that could come here.
        let Ok(_) = compressor.compress_vec(rest, out, FlushCompress::Sync) else { break };
        // With room left over, the flush is complete.
        if out.len() < room {
            break;
        }
    }
}

/// What a stream keeps of its past. A dozen events, whose names and keys come again.
const WINDOW_LEN: usize = 4 << 10;

/// Room beside half of what is compressed: events seldom need more.
const SLACK_LEN: usize = 64;

/// Deflate, no name, no time, made by nobody in particular (RFC 1952, 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// An empty block with BFINAL (RFC 1951, 3.2.3 and 3.2.6).
const LAST_BLOCK: [u8; 2] = [3, 0];

thread_local! {
    static COMPRESSOR: Cell<Option<Compress>> = const { Cell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::MultiGzDecoder;
    use flate2::write::GzDecoder;
    use proptest::prelude::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn each_piece_can_be_read_when_it_has_come() {
        let mut gzip = Gzip::default();
        let mut reader = GzDecoder::new(Vec::new());
        for number in 0..50 {
            let event = format!("event: tick\ndata: [{{\"symbol\":\"OMNI\",\"at\":{number}}}]\n\n");
            reader.write_all(&gzip.piece(event.as_bytes())).unwrap();
            reader.flush().unwrap();
            assert_eq!(String::from_utf8(reader.get_mut().split_off(0)).unwrap(), event);
        }
        reader.write_all(&gzip.end()).unwrap();
        assert!(reader.finish().unwrap().is_empty(), "sum and length are right");
    }

    #[test]
    fn what_came_before_is_referred_to_and_costs_little_memory() {
        let event = |number| {
            let text =
                format!("{{\"symbol\":\"OMNI\",\"price\":{number}.25,\"currency\":\"EUR\"}}");
            format!("id: AAAAAAAAAAA.{number}\nevent: tick\ndata: [{text}]\n\n").into_bytes()
        };
        let mut gzip = Gzip::default();
        let first = gzip.piece(&event(1)).len();
        let later: usize = (2..100).map(|number| gzip.piece(&event(number)).len()).sum();
        assert!(first > 60 && later / 98 < 30, "{first}, then {} each", later / 98);
        assert!(gzip.window.capacity() <= WINDOW_LEN, "{}", gzip.window.capacity());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn any_pieces_come_out_as_they_went_in(
            pieces in prop::collection::vec(
                prop::collection::vec(prop_oneof![Just(7), any::<u8>()], 1..6000), 1..4
            )
        ) {
            let mut gzip = Gzip::default();
            let mut out = Vec::new();
            for piece in &pieces {
                out.extend_from_slice(&gzip.piece(piece));
            }
            out.extend_from_slice(&gzip.end());
            let mut read = Vec::new();
            MultiGzDecoder::new(&out[..]).read_to_end(&mut read).unwrap();
            prop_assert_eq!(read, pieces.concat());
        }
    }
}
