//! The Huffman code of HPACK and QPACK (RFC 7541, section 5.2 and Appendix B).
//!
//! The code is canonical: codes of one length are consecutive, in the order of their symbols, and
//! follow those of the length before. So the lengths alone say all.

use std::sync::LazyLock;

/// `None`: these octets are not such a code.
pub(super) fn decode(octets: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let (mut code, mut len) = (0_u32, 0_u8);
    for octet in octets {
        for shift in (0..8).rev() {
            code = code << 1 | u32::from(octet >> shift & 1);
            len = len.saturating_add(1);
            match CODES.symbol(code, len) {
                Found::Octet(octet) => {
                    decoded.push(octet);
                    (code, len) = (0, 0);
                }
                Found::Nothing => return None,
                Found::Incomplete => {}
            }
        }
    }
    // Section 5.2: at most seven bits are left over, and all of them are ones.
    (len < 8 && code.count_ones() == u32::from(len)).then_some(decoded)
}

enum Found {
    Octet(u8),
    Incomplete,
    /// No symbol begins so, or it is the one that ends a string, which may not stand in it.
    Nothing,
}

/// The codes of one length.
#[derive(Clone, Copy, Default)]
struct Codes {
    /// The first of them.
    first: u32,
    /// The first behind them.
    end: u32,
    /// Where their symbols begin.
    at: u32,
}

struct Table {
    by_len: [Codes; LEN_MAX + 1],
    /// By length, then by value.
    symbols: Vec<u16>,
}

impl Table {
    fn new() -> Self {
        let mut by_len = [Codes::default(); LEN_MAX + 1];
        let (mut symbols, mut code) = (Vec::with_capacity(LENS.len()), 0_u32);
        for (len, codes) in by_len.iter_mut().enumerate() {
            code <<= 1;
            let (first, at) = (code, symbols.len() as u32);
            let of_len = (0..).zip(LENS).filter(|(_, its)| usize::from(*its) == len);
            symbols.extend(of_len.map(|(symbol, _)| symbol));
            code = code.saturating_add((symbols.len() as u32).saturating_sub(at));
            *codes = Codes { first, end: code, at };
        }
        Self { by_len, symbols }
    }

    fn symbol(&self, code: u32, len: u8) -> Found {
        let Some(codes) = self.by_len.get(usize::from(len)) else { return Found::Nothing };
        if code < codes.first || code >= codes.end {
            return Found::Incomplete;
        }
        let symbol =
            self.symbols.get(codes.at.saturating_add(code.saturating_sub(codes.first)) as usize);
        match symbol.and_then(|symbol| u8::try_from(*symbol).ok()) {
            Some(octet) => Found::Octet(octet),
            None => Found::Nothing,
        }
    }
}

static CODES: LazyLock<Table> = LazyLock::new(Table::new);

const LEN_MAX: usize = 30;

/// The length of each symbol's code; the last one ends a string.
#[rustfmt::skip]
const LENS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
