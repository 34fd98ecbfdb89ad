//! Moments as arguments.

use omniwire_msgpack::{marked_date, parse_date};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, at any depth of an argument: MessagePack's timestamp, which is what .NET's `DateTime`
/// is there; elsewhere text in the form of ISO 8601 (`2026-01-02T03:04:05.678Z`). Read from text,
/// it may have an offset (`+02:00`). To the nanosecond, in the years 1 to 9999.
///
/// ```
/// use omniwire::{FromArgs, IntoArgs, Timestamp};
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let moment = Timestamp(UNIX_EPOCH + Duration::from_millis(1_500));
/// let args = (moment,).into_args()?;
/// let text: String = serde_json::from_str(args.json())?;
/// assert_eq!(text, "1970-01-01T00:00:01.5Z");
/// assert_eq!(<(Timestamp,)>::from_args(&args)?, (moment,));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub SystemTime);

impl Timestamp {
    /// This very moment.
    pub fn now() -> Self {
        Self(SystemTime::now())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // To any reader of JSON it is text; our MessagePack knows it by a mark.
        let text = marked(self.0).ok_or_else(|| S::Error::custom("the year is not 1 to 9999"))?;
        serde_json::from_str::<&RawValue>(&text).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map(Self).ok_or_else(|| D::Error::custom("expected a date and time"))
    }
}

fn marked(moment: SystemTime) -> Option<String> {
    match moment.duration_since(UNIX_EPOCH) {
        Ok(since) => marked_date(since.as_secs().try_into().ok()?, since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).ok()?.checked_neg()?;
            match before.subsec_nanos() {
                0 => marked_date(seconds, 0),
                nanos => {
                    marked_date(seconds.checked_sub(1)?, 1_000_000_000_u32.checked_sub(nanos)?)
                }
            }
        }
    }
}

fn parse(text: &str) -> Option<SystemTime> {
    let (seconds, nanos) = parse_date(text)?;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let moment = match seconds {
        0.. => UNIX_EPOCH.checked_add(whole)?,
        _ => UNIX_EPOCH.checked_sub(whole)?,
    };
    moment.checked_add(Duration::from_nanos(nanos.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromArgs, IntoArgs};

    #[test]
    fn moments_come_back_before_1970_too() {
        for nanos in [0, 1, 999_999_999, 1_000_000_000, 86_400_000_000_000] {
            for moment in
                [UNIX_EPOCH + Duration::from_nanos(nanos), UNIX_EPOCH - Duration::from_nanos(nanos)]
            {
                let args = (Timestamp(moment),).into_args().unwrap();
                assert_eq!(<(Timestamp,)>::from_args(&args), Ok((Timestamp(moment),)));
            }
        }
    }

    #[test]
    fn what_is_read_may_have_an_offset_and_must_be_a_moment() {
        let read = |text: &str| serde_json::from_value::<Timestamp>(text.into()).ok();
        let noon = read("2024-02-29T12:00:00Z");
        assert!(noon.is_some());
        assert_eq!(read("2024-02-29T14:00:00.000+02:00"), noon);
        assert_eq!(read("2024-02-29T11:30:00-00:30"), noon);
        for text in [
            "",
            "Z",
            "tomorrow",
            "2024-02-29",
            "2024-02-29T12:00:00",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00.0000000000Z",
            "2024-01-01T00:00:00+0200",
            "ä2024-01-01T00:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn years_that_dotnet_has_no_word_for_are_errors() {
        let far = UNIX_EPOCH + Duration::from_secs(400_000_000_000);
        assert!((Timestamp(far),).into_args().is_err());
    }
}
