//! Cutting validated JSON into slices. Fast and forgiving: what was not validated gives nonsense,
//! but never a panic.

use super::{JsonError, validate};
use bytestring::ByteString;
use std::borrow::Cow;

/// The elements between the brackets of an array, which were validated before, as slices without
/// blanks around them.
pub fn elements(valid: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(valid).filter(|text| !text.trim_ascii().is_empty());
    std::iter::from_fn(move || {
        let text = rest?;
        let (element, behind) = text.split_at_checked(value_end(text))?;
        rest = behind.get(1..);
        Some(element.trim_ascii())
    })
}

/// The members of a JSON object: validates it, then gives each name, unescaped, with the slice of
/// its value, in their order. A name may come twice.
///
/// # Errors
/// It is not a JSON object, or nests too deep.
pub fn members(
    object: &ByteString,
) -> Result<impl Iterator<Item = (Cow<'_, str>, ByteString)>, JsonError> {
    let found = member_slices(object)?;
    Ok(found.map(move |(name, value)| (name, object.slice_ref(value))))
}

/// The same with values that are borrowed: cheaper where most are only looked at.
///
/// # Errors
/// As [`members`].
pub fn member_slices(
    object: &str,
) -> Result<impl Iterator<Item = (Cow<'_, str>, &str)>, JsonError> {
    validate(object)?;
    let inner = object
        .trim_ascii()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or(JsonError::new(0, "expected an object"))?;
    Ok(elements(inner).filter_map(|member| {
        let name_end = string_end(member)?;
        let (name, value) = member.split_at_checked(name_end)?;
        let value = value.trim_ascii().strip_prefix(':')?.trim_ascii();
        Some((super::unescape(name)?, value))
    }))
}

/// Where the first element of `text` ends: at the first comma outside brackets and strings.
fn value_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0_u32;
    let mut at = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let Some(len) = text.get(at..).and_then(string_end) else { break };
                at = at.saturating_add(len);
                continue;
            }
            b'[' | b'{' => depth = depth.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return at,
            _ => {}
        }
        at = at.saturating_add(1);
    }
    bytes.len()
}

/// The length of the string, quotes included, that `text` begins with.
fn string_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1_usize;
    loop {
        at = at.saturating_add(memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?);
        match bytes.get(at)? {
            b'"' => return at.checked_add(1),
            _ => at = at.saturating_add(2),
        }
    }
}
