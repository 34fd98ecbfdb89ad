//! MessagePack, one token at a time (msgpack/spec.md, "Formats").

use crate::Malformed;
use bytes::Bytes;
use omniwire_session::ByteString;

/// What a value begins with; for all but arrays and maps, the whole value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token<'a> {
    /// nil
    Nil,
    /// false or true
    Bool(bool),
    /// An integer that is not negative, of any width.
    Uint(u64),
    /// Any width, but never what [`Token::Uint`] could say.
    Negative(i64),
    /// float 32 or 64
    Float(f64),
    /// str
    Text(&'a str),
    /// bin
    Bytes(&'a [u8]),
    /// That many values follow.
    Array(usize),
    /// That many pairs of values follow.
    Map(usize),
    /// An application's own type.
    Extension {
        /// Its type.
        kind: i8,
        /// Its data.
        bytes: &'a [u8],
        /// Whether the marker itself says how long it is.
        is_fixed: bool,
    },
}

/// Reads tokens off the front of a record.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    record: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the beginning.
    pub fn new(record: &'a Bytes) -> Self {
        Self { record, rest: record }
    }

    /// A part of the record that shares its memory.
    pub fn share(&self, part: &'a [u8]) -> Bytes {
        self.record.slice_ref(part)
    }

    /// The count of an array.
    ///
    /// # Errors
    /// It is something else: then `otherwise`.
    pub fn array(&mut self, otherwise: &'static str) -> Result<usize, Malformed> {
        match self.token() {
            Ok(Token::Array(count)) => Ok(count),
            _ => Err(Malformed(otherwise)),
        }
    }

    /// The count of a map.
    ///
    /// # Errors
    /// It is something else: then `otherwise`.
    pub fn map(&mut self, otherwise: &'static str) -> Result<usize, Malformed> {
        match self.token() {
            Ok(Token::Map(count)) => Ok(count),
            _ => Err(Malformed(otherwise)),
        }
    }

    /// An integer of 32 bits.
    ///
    /// # Errors
    /// It is something else: then `otherwise`.
    pub fn int(&mut self, otherwise: &'static str) -> Result<i32, Malformed> {
        let value = match self.token() {
            Ok(Token::Uint(value)) => i32::try_from(value).ok(),
            Ok(Token::Negative(value)) => i32::try_from(value).ok(),
            _ => None,
        };
        value.ok_or(Malformed(otherwise))
    }

    /// An integer that is not negative.
    ///
    /// # Errors
    /// It is something else: then `otherwise`.
    pub fn uint(&mut self, otherwise: &'static str) -> Result<u64, Malformed> {
        match self.token() {
            Ok(Token::Uint(value)) => Ok(value),
            _ => Err(Malformed(otherwise)),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// It is something else: then `otherwise`.
    pub fn text(&mut self, otherwise: &'static str) -> Result<ByteString, Malformed> {
        self.text_or_nil(otherwise)?.ok_or(Malformed(otherwise))
    }

    /// A text, or nil.
    ///
    /// # Errors
    /// It is something else: then `otherwise`.
    pub fn text_or_nil(
        &mut self,
        otherwise: &'static str,
    ) -> Result<Option<ByteString>, Malformed> {
        match self.token() {
            Ok(Token::Nil) => Ok(None),
            Ok(Token::Text(text)) => ByteString::try_from(self.share(text.as_bytes()))
                .map(Some)
                .map_err(|_| Malformed(otherwise)),
            _ => Err(Malformed(otherwise)),
        }
    }

    /// The next token.
    ///
    /// # Errors
    /// It is cut off, no MessagePack, or its text no UTF-8.
    pub fn token(&mut self) -> Result<Token<'a>, Malformed> {
        let marker = self.octet()?;
        match marker {
            0x00..=0x7f => Ok(Token::Uint(marker.into())),
            0x80..=0x8f => self.map_of((marker & 0x0f).into()),
            0x90..=0x9f => self.array_of((marker & 0x0f).into()),
            0xa0..=0xbf => self.text_of((marker & 0x1f).into()),
            0xc0 => Ok(Token::Nil),
            0xc1 => Err(Malformed("Bad MessagePack marker.")),
            0xc2 | 0xc3 => Ok(Token::Bool(marker == 0xc3)),
            0xc4..=0xc6 => {
                let len = self.len(marker.wrapping_sub(0xc4))?;
                Ok(Token::Bytes(self.bytes(len)?))
            }
            0xc7..=0xc9 => {
                let len = self.len(marker.wrapping_sub(0xc7))?;
                self.extension_of(len, false)
            }
            0xca => Ok(Token::Float(f32::from_be_bytes(self.octets()?).into())),
            0xcb => Ok(Token::Float(f64::from_be_bytes(self.octets()?))),
            0xcc => Ok(Token::Uint(self.octet()?.into())),
            0xcd => Ok(Token::Uint(u16::from_be_bytes(self.octets()?).into())),
            0xce => Ok(Token::Uint(u32::from_be_bytes(self.octets()?).into())),
            0xcf => Ok(Token::Uint(u64::from_be_bytes(self.octets()?))),
            0xd0 => Ok(signed(i8::from_be_bytes(self.octets()?).into())),
            0xd1 => Ok(signed(i16::from_be_bytes(self.octets()?).into())),
            0xd2 => Ok(signed(i32::from_be_bytes(self.octets()?).into())),
            0xd3 => Ok(signed(i64::from_be_bytes(self.octets()?))),
            0xd4..=0xd8 => self.extension_of(1 << marker.wrapping_sub(0xd4), true),
            0xd9..=0xdb => {
                let len = self.len(marker.wrapping_sub(0xd9))?;
                self.text_of(len)
            }
            0xdc | 0xdd => {
                let count = self.len(marker.wrapping_sub(0xdb))?;
                self.array_of(count)
            }
            0xde | 0xdf => {
                let count = self.len(marker.wrapping_sub(0xdd))?;
                self.map_of(count)
            }
            0xe0..=0xff => Ok(signed(i8::from_be_bytes([marker]).into())),
        }
    }

    /// A length or a count of 2 to the `width` octets.
    fn len(&mut self, width: u8) -> Result<usize, Malformed> {
        let len = match width {
            0 => u32::from(self.octet()?),
            1 => u16::from_be_bytes(self.octets()?).into(),
            _ => u32::from_be_bytes(self.octets()?),
        };
        usize::try_from(len).map_err(|_| SHORT)
    }

    /// No count is believed that the rest of the record can't hold.
    fn array_of(&self, count: usize) -> Result<Token<'a>, Malformed> {
        if count > self.rest.len() { Err(SHORT) } else { Ok(Token::Array(count)) }
    }

    fn map_of(&self, count: usize) -> Result<Token<'a>, Malformed> {
        if count > self.rest.len() / 2 { Err(SHORT) } else { Ok(Token::Map(count)) }
    }

    fn text_of(&mut self, len: usize) -> Result<Token<'a>, Malformed> {
        let bytes = self.bytes(len)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed("A text is not UTF-8."))?;
        Ok(Token::Text(text))
    }

    fn extension_of(&mut self, len: usize, is_fixed: bool) -> Result<Token<'a>, Malformed> {
        let kind = i8::from_be_bytes(self.octets()?);
        Ok(Token::Extension { kind, bytes: self.bytes(len)?, is_fixed })
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(SHORT)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Whether all has been read.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn octet(&mut self) -> Result<u8, Malformed> {
        let [octet] = self.octets()?;
        Ok(octet)
    }

    fn octets<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (octets, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(*octets)
    }
}

fn signed(value: i64) -> Token<'static> {
    match u64::try_from(value) {
        Ok(value) => Token::Uint(value),
        Err(_) => Token::Negative(value),
    }
}

const SHORT: Malformed = Malformed("Unexpected end of the message.");
