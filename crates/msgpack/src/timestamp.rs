//! MessagePack's timestamps (msgpack/spec.md, "Timestamp extension type"), which JSON can only say
//! as text.
//!
//! So that a timestamp comes back as one, its text is marked: the first digit is written as an
//! escape (`"\u0032026-01-02T03:04:05Z"`). To any reader of JSON that is the same text, and no
//! writer of JSON escapes a digit.

use bytes::BytesMut;

/// The extension type.
pub(crate) const KIND: i8 = -1;

/// Writes the marked text of a timestamp, quotes included. `None` if it is none.
pub(crate) fn write_marked(out: &mut BytesMut, bytes: &[u8]) -> Option<()> {
    let text = to_text(bytes)?;
    let (first, rest) = text.split_at_checked(1)?;
    for part in [MARK, first, rest, "\""] {
        out.extend_from_slice(part.as_bytes());
    }
    Some(())
}

/// The marked text, quotes included, of seconds since 1970 and nanoseconds. `None` outside the years
/// 1 to 9999.
pub fn marked_date(seconds: i64, nanos: u32) -> Option<String> {
    let mut out = BytesMut::new();
    write_marked(&mut out, &wide(seconds, nanos))?;
    String::from_utf8(out.into()).ok()
}

/// Seconds since 1970 and nanoseconds of a text in the form of ISO 8601: a date, `T`, a time with
/// seconds and at most nine more digits, and `Z` or an offset such as `+02:00`.
#[expect(clippy::arithmetic_side_effects, reason = "no more than five digits")]
pub fn parse_date(text: &str) -> Option<(i64, u32)> {
    let (local, offset) = match text.strip_suffix('Z') {
        Some(local) => (local, 0),
        None => {
            let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let [hour, minute, _] = numbers(&format!("{}:0", offset.get(1..)?), ':')?;
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            (local, sign * (hour * 3600 + minute * 60))
        }
    };
    let (date, time) = local.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let is_one = (1..=12).contains(&month) && (1..=31).contains(&day) && year < 10_000;
    if !is_one || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = match fraction.len() {
        0 => 0,
        len @ 1..=9 => fraction.parse::<u32>().ok()? * 10_u32.pow(9 - len as u32),
        _ => return None,
    };
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    Some((seconds - offset, nanos))
}

/// The same for milliseconds since 1970.
#[expect(clippy::arithmetic_side_effects, reason = "less than 1000")]
pub(crate) fn write_marked_millis(out: &mut BytesMut, millis: i64) -> Option<()> {
    let nanos = u32::try_from(millis.rem_euclid(1000)).ok()? * 1_000_000;
    write_marked(out, &wide(millis.div_euclid(1000), nanos))
}

/// The text, in the form of ISO 8601 and in UTC, of milliseconds since 1970.
#[expect(clippy::arithmetic_side_effects, reason = "less than 1000")]
pub fn date_text(millis: i64) -> Option<String> {
    let nanos = u32::try_from(millis.rem_euclid(1000)).ok()? * 1_000_000;
    to_text(&wide(millis.div_euclid(1000), nanos))
}

/// Milliseconds since 1970 of a marked text, in its quotes.
#[expect(clippy::arithmetic_side_effects, reason = "between the years 1 and 9999")]
pub(crate) fn millis_from_marked(quoted: &str) -> Option<i64> {
    let (seconds, nanos) = from_text(quoted.strip_prefix(MARK)?.strip_suffix('"')?)?;
    Some(seconds * 1000 + i64::from(nanos / 1_000_000))
}

/// The shortest bytes of the timestamp that a marked text, in its quotes, stands for. `None` if it
/// is not marked, or is none.
pub(crate) fn from_marked(quoted: &str) -> Option<Vec<u8>> {
    let text = quoted.strip_prefix(MARK)?.strip_suffix('"')?;
    let (seconds, nanos) = from_text(text)?;
    if let Ok(seconds) = u32::try_from(seconds)
        && nanos == 0
    {
        return Some(seconds.to_be_bytes().to_vec());
    }
    match u64::try_from(seconds) {
        Ok(seconds) if seconds >> 34 == 0 => {
            Some((u64::from(nanos) << 34 | seconds).to_be_bytes().to_vec())
        }
        _ => Some(wide(seconds, nanos)),
    }
}

/// Seconds since 1970 and nanoseconds of a text in the form that [`to_text`] writes. Whatever is no
/// date, or is written in another way, does not come back the same.
fn from_text(text: &str) -> Option<(i64, u32)> {
    let (seconds, nanos) = parse_date(text)?;
    (to_text(&wide(seconds, nanos))? == text).then_some((seconds, nanos))
}

fn wide(seconds: i64, nanos: u32) -> Vec<u8> {
    [&nanos.to_be_bytes()[..], &seconds.to_be_bytes()].concat()
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse::<u16>().ok().map(i64::from));
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// The text of a timestamp in the form of ISO 8601, in UTC: `2026-01-02T03:04:05.678Z`. `None` if
/// it is none, or outside the years 1 to 9999, which is what .NET's dates can say.
fn to_text(bytes: &[u8]) -> Option<String> {
    let (seconds, nanos) = match *bytes {
        [a, b, c, d] => (u32::from_be_bytes([a, b, c, d]).into(), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            (i64::try_from(both & 0x3_ffff_ffff).ok()?, u32::try_from(both >> 34).ok()?)
        }
        [a, b, c, d, ref seconds @ ..] => {
            let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
            (seconds, u32::from_be_bytes([a, b, c, d]))
        }
        _ => return None,
    };
    if nanos > 999_999_999 || !SECONDS.contains(&seconds) {
        return None;
    }
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if nanos > 0 {
        let fraction = format!("{nanos:09}");
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    Some(text)
}

/// The date, in the Gregorian calendar, that is so many days after 1970-01-01. Counts from
/// 0000-03-01, so that the leap day is a year's last.
#[expect(clippy::arithmetic_side_effects, reason = "between the years 1 and 9999")]
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The inverse of [`date`].
#[expect(clippy::arithmetic_side_effects, reason = "no more than five digits")]
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// What a marked text begins with, before its first digit's last hexadecimal digit, which is the
/// digit itself.
const MARK: &str = "\"\\u003";

const DAY: i64 = 86_400;

/// From 0001-01-01 to 9999-12-31.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
