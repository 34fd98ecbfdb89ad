//! Compressing and inflating one message (RFC 7692 section 7.2).

use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::Violation;

/// Which compressor of the thread to use: connections that agree on it share compressed frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shared {
    window_bits: u8,
    level: u8,
}

impl Shared {
    /// A window of 2^`window_bits` octets (8 to 15) and a level of 1 to 9; others are brought in
    /// range.
    #[must_use]
    pub fn new(window_bits: u8, level: u8) -> Self {
        // zlib has no window of 256 octets. Its window of 512 serves instead: it keeps 262 octets
        // of look-ahead, so no distance exceeds 250.
        Self { window_bits: window_bits.clamp(9, 15), level: level.clamp(1, 9) }
    }

    /// The window, as an exponent of two; 9 also stands for 8.
    #[must_use]
    pub const fn window_bits(self) -> u8 {
        self.window_bits
    }

    fn compressor(self) -> Compress {
        Compress::new_with_window_bits(Compression::new(self.level.into()), false, self.window_bits)
    }
}

/// Compresses a message by itself and appends it to `out`, with this thread's compressor.
pub fn compress_shared(payload: &[u8], shared: Shared, out: &mut Vec<u8>) {
    let mut compressor = take_compressor(shared);
    compressor.reset();
    compress(&mut compressor, payload, out);
    COMPRESSORS.with_borrow_mut(|kept| {
        kept.truncate(COMPRESSORS_MAX - 1);
        kept.insert(0, (shared, compressor));
    });
}

/// Compresses what one connection sends.
pub(crate) enum Deflater {
    /// Each message alone, with the thread's compressor.
    Shared(Shared),
    /// With context takeover; made when the first message is compressed.
    Own(Shared, Option<Box<Compress>>),
}

impl Deflater {
    pub(super) const fn new(shared: Shared, takeover: bool) -> Self {
        if takeover { Self::Own(shared, None) } else { Self::Shared(shared) }
    }

    /// Appends the compressed payload to `out`.
    pub(crate) fn deflate(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Shared(shared) => compress_shared(payload, *shared, out),
            Self::Own(shared, own) => {
                compress(own.get_or_insert_with(|| Box::new(shared.compressor())), payload, out);
            }
        }
    }

    /// Whether a message may be sent as it is after it was compressed: with context takeover it
    /// is part of the window by then.
    pub(crate) const fn may_drop(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// The compression that other connections share with this one.
    pub(crate) const fn shared(&self) -> Option<Shared> {
        match self {
            Self::Shared(shared) => Some(*shared),
            Self::Own(..) => None,
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deflater").field(&self.shared()).finish()
    }
}

/// Inflates what one connection receives.
pub(crate) enum Inflater {
    /// Each message alone, with the thread's decompressor.
    Shared,
    /// With context takeover; made when the first compressed message comes.
    Own(Option<Box<Decompress>>),
}

impl Inflater {
    pub(super) const fn new(takeover: bool) -> Self {
        if takeover { Self::Own(None) } else { Self::Shared }
    }

    /// Inflates one message, and stops as soon as it exceeds `limit` octets.
    pub(crate) fn inflate(&mut self, payload: &[u8], limit: usize) -> Result<Bytes, Violation> {
        let mut out = INFLATED.take();
        out.clear();
        // All of its capacity would be filled, whatever another connection's limit was.
        out.shrink_to(limit.saturating_add(1));
        let result = match self {
            Self::Shared => {
                let mut decompressor = DECOMPRESSOR.take().unwrap_or_else(new_decompressor);
                decompressor.reset(false);
                let result = inflate(&mut decompressor, payload, limit, &mut out);
                DECOMPRESSOR.set(Some(decompressor));
                result
            }
            Self::Own(own) => {
                inflate(own.get_or_insert_with(new_decompressor), payload, limit, &mut out)
            }
        };
        result.map(|()| hand_out(out))
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "Inflater::Shared",
            Self::Own(_) => "Inflater::Own",
        })
    }
}

/// Section 7.2.1: compress, flush to an octet boundary, take off the last four octets.
fn compress(compressor: &mut Compress, payload: &[u8], out: &mut Vec<u8>) {
    if payload.is_empty() {
        out.push(0x00); // section 7.2.3.6; zlib would flush nothing a second time
        return;
    }
    let start = compressor.total_in();
    loop {
        let done = compressor.total_in().saturating_sub(start) as usize;
        let rest = payload.get(done..).unwrap_or_default();
        out.reserve((rest.len() / 2).saturating_add(64));
        let room = out.capacity();
        // Deflate takes any input in any state: it has no error that could come here.
        let Ok(_) = compressor.compress_vec(rest, out, FlushCompress::Sync) else { break };
        // With room left over, the flush is complete.
        if out.len() < room {
            break;
        }
    }
    out.truncate(out.len().saturating_sub(TAIL.len()));
}

/// Section 7.2.2: append the four octets, inflate.
fn inflate(
    decompressor: &mut Decompress,
    payload: &[u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), Violation> {
    if payload.is_empty() {
        return Ok(()); // not even 0x00 (section 7.2.3.6): the window stays as it is
    }
    inflate_piece(decompressor, payload, limit, out)?;
    // A message that ends between two blocks gets nothing from the tail but an empty block.
    // If octets come of it, the message was cut short.
    let len = out.len();
    inflate_piece(decompressor, &TAIL, limit, out)?;
    if out.len() == len { Ok(()) } else { Err(Violation::BAD_DEFLATE) }
}

fn inflate_piece(
    decompressor: &mut Decompress,
    mut piece: &[u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), Violation> {
    loop {
        // Twice what is there already, and never more than one octet beyond the limit.
        let room_max = limit.saturating_add(1).saturating_sub(out.len());
        let room = out.len().max(piece.len().saturating_mul(2)).max(256).min(room_max);
        out.reserve_exact(room);
        let (room, before) = (out.capacity(), decompressor.total_in());
        let status = decompressor
            .decompress_vec(piece, out, FlushDecompress::Sync)
            .map_err(|_| Violation::BAD_DEFLATE)?;
        if out.len() > limit {
            return Err(Violation::MESSAGE_TOO_BIG);
        }
        let taken = decompressor.total_in().saturating_sub(before) as usize;
        piece = piece.get(taken..).unwrap_or_default();
        if status == Status::StreamEnd {
            // Section 7.2.3.4: a block with BFINAL set; what follows is a stream of its own.
            decompressor.reset(false);
        } else if out.len() < room && (piece.is_empty() || taken == 0) {
            return if piece.is_empty() { Ok(()) } else { Err(Violation::BAD_DEFLATE) };
        }
        if piece.is_empty() && out.len() < room {
            return Ok(());
        }
    }
}

/// Small messages leave the thread's buffer as an exact copy, large ones with the buffer itself.
fn hand_out(inflated: Vec<u8>) -> Bytes {
    if inflated.len() > SCRATCH_LEN_MAX {
        return Bytes::from(inflated);
    }
    let bytes = Bytes::copy_from_slice(&inflated);
    if inflated.capacity() <= 2 * SCRATCH_LEN_MAX {
        INFLATED.set(inflated);
    }
    bytes
}

fn take_compressor(shared: Shared) -> Compress {
    COMPRESSORS.with_borrow_mut(|kept| match kept.iter().position(|(kept, _)| *kept == shared) {
        Some(at) => kept.remove(at).1,
        None => shared.compressor(),
    })
}

fn new_decompressor() -> Box<Decompress> {
    // The full window, which reads streams of every smaller one.
    Box::new(Decompress::new(false))
}

thread_local! {
    /// The compressors used last, the very last first.
    static COMPRESSORS: RefCell<Vec<(Shared, Compress)>> = const { RefCell::new(Vec::new()) };
    static DECOMPRESSOR: std::cell::Cell<Option<Box<Decompress>>> =
        const { std::cell::Cell::new(None) };
    static INFLATED: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) };
}

/// What a sync flush ends with, and section 7.2.1 takes off.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// One for each window from 9 to 15 at one level.
const COMPRESSORS_MAX: usize = 7;

const SCRATCH_LEN_MAX: usize = 64 << 10;
