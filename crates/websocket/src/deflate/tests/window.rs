//! All combinations of parameters, checked with an inflater that knows exactly the agreed window.

use super::{Config, accepted, answer, lines, read_extensions};
use crate::Role;
use crate::deflate::{Agreed, Deflater, Reserved, offer};

/// Inflates like RFC 1951 says, and remembers the largest distance used.
#[derive(Default)]
struct Puff {
    out: Vec<u8>,
    distance_max: usize,
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> usize {
        let bit = self.data[self.at / 8] >> (self.at % 8) & 1;
        self.at += 1;
        bit.into()
    }

    fn bits(&mut self, count: usize) -> usize {
        (0..count).map(|at| self.bit() << at).sum()
    }

    /// One symbol of a canonical code (RFC 1951 section 3.2.2).
    fn symbol(&mut self, code: &Code) -> usize {
        let (mut value, mut first, mut before) = (0, 0, 0);
        for count in code.counts {
            value |= self.bit();
            if value < first + count {
                return code.symbols[before + value - first];
            }
            before += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        panic!("no such code");
    }
}

/// A Huffman code, made of the lengths of its symbols.
struct Code {
    counts: [usize; 15],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|at| lengths[*at] > 0).collect();
        symbols.sort_by_key(|at| lengths[*at]);
        let count = |len| lengths.iter().filter(|of| **of == len).count();
        Self { counts: std::array::from_fn(|at| count(at + 1)), symbols }
    }
}

const LENGTH_BASES: [usize; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];
const LENGTH_EXTRA: [usize; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASES: [usize; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
    2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];

impl Puff {
    fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let data = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
        let (start, mut bits) = (self.out.len(), Bits { data: &data, at: 0 });
        while bits.at < data.len() * 8 {
            let last = bits.bit();
            assert_eq!(last, 0, "our compressor ends no stream");
            match bits.bits(2) {
                0 => self.stored(&mut bits),
                1 => self.block(&mut bits, &Code::new(&fixed_lengths()), &Code::new(&[5; 30])),
                2 => {
                    let (literals, distances) = dynamic_lengths(&mut bits);
                    self.block(&mut bits, &literals, &distances);
                }
                _ => panic!("reserved block type"),
            }
        }
        self.out[start..].to_vec()
    }

    fn stored(&mut self, bits: &mut Bits<'_>) {
        bits.at = bits.at.div_ceil(8) * 8;
        let (len, complement) = (bits.bits(16), bits.bits(16));
        assert_eq!(len, !complement & 0xffff);
        for _ in 0..len {
            let octet = bits.bits(8) as u8;
            self.out.push(octet);
        }
    }

    fn block(&mut self, bits: &mut Bits<'_>, literals: &Code, distances: &Code) {
        loop {
            match bits.symbol(literals) {
                literal @ 0..256 => self.out.push(literal as u8),
                256 => return,
                length => {
                    let at = length - 257;
                    let length = LENGTH_BASES[at] + bits.bits(LENGTH_EXTRA[at]);
                    let at = bits.symbol(distances);
                    let extra = (at / 2).saturating_sub(1);
                    let distance = DISTANCE_BASES[at] + bits.bits(extra);
                    self.distance_max = self.distance_max.max(distance);
                    for _ in 0..length {
                        self.out.push(self.out[self.out.len() - distance]);
                    }
                }
            }
        }
    }
}

fn fixed_lengths() -> Vec<usize> {
    [[8; 144].as_slice(), &[9; 112], &[7; 24], &[8; 8]].concat()
}

fn dynamic_lengths(bits: &mut Bits<'_>) -> (Code, Code) {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, codes) = (bits.bits(5) + 257, bits.bits(5) + 1, bits.bits(4) + 4);
    let mut code_lengths = [0; 19];
    for at in &ORDER[..codes] {
        code_lengths[*at] = bits.bits(3);
    }
    let code = Code::new(&code_lengths);
    let mut lengths: Vec<usize> = Vec::new();
    while lengths.len() < literals + distances {
        let (value, count) = match bits.symbol(&code) {
            16 => (*lengths.last().unwrap(), bits.bits(2) + 3),
            17 => (0, bits.bits(3) + 3),
            18 => (0, bits.bits(7) + 11),
            length => (length, 1),
        };
        lengths.extend(std::iter::repeat_n(value, count));
    }
    let distances = lengths.split_off(literals);
    (Code::new(&lengths), Code::new(&distances))
}

/// Messages that repeat what stood 100 to 2,000 octets before, within and across messages.
fn messages() -> Vec<Vec<u8>> {
    let mut noise = 3u32;
    let word: Vec<u8> = (0..700)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + (noise >> 24) as u8 % 26
        })
        .collect();
    (0..4).map(|n| [&word[..200], &word[..], &word[n * 50..], &word[..300]].concat()).collect()
}

fn longest_distance(deflater: &mut Deflater, alone: bool) -> usize {
    let mut puff = Puff::default();
    for message in messages() {
        let mut out = Vec::new();
        deflater.deflate(&message, &mut out);
        if alone {
            puff.out.clear(); // E7: each message inflates by itself
        }
        assert_eq!(puff.message(&out), message);
    }
    puff.distance_max
}

#[test]
fn rfc7692_7_1_2_every_window_and_takeover_is_kept() {
    // E6 and E8: the 4 x 8 x 8 combinations.
    for bits in 0..4u8 {
        for server_bits in 8..=15u8 {
            for client_bits in 8..=15u8 {
                let config = Config {
                    server_context_takeover: bits & 1 == 0,
                    client_context_takeover: bits & 2 == 0,
                    server_max_window_bits: server_bits,
                    client_max_window_bits: client_bits,
                    level: 6,
                    threshold: 0,
                    ..Config::default()
                };
                let headers = lines(&[&offer(&config)]);
                let offers = read_extensions(&headers).unwrap();
                let (parameters, header) = answer(&offers, &config).unwrap();
                // The client finds the answer legal, and reads it as it was meant.
                assert_eq!(accepted(&header, &config), Some(parameters), "{header}");
                assert_eq!(parameters.server_max_window_bits, server_bits);
                assert_eq!(parameters.client_max_window_bits, client_bits);
                if server_bits != client_bits {
                    continue; // the compressors see one window each: all are met on the diagonal
                }
                let agreed = Agreed::new(parameters, &config, Reserved::default());
                for (role, alone) in [
                    (Role::Server, parameters.server_no_context_takeover),
                    (Role::Client, parameters.client_no_context_takeover),
                ] {
                    let distance = longest_distance(&mut agreed.deflater(role), alone);
                    assert!(distance <= 1 << server_bits, "{distance} > 2^{server_bits}");
                    assert!(distance > 1 << 7, "the messages make use of the window");
                }
            }
        }
    }
}

#[test]
fn every_level_keeps_the_smallest_window() {
    for level in 1..=9 {
        let shared = super::Shared::new(8, level);
        assert!(longest_distance(&mut Deflater::Own(shared, None), false) <= 256);
    }
}
