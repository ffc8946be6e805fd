//! Words are made, not typed: counts, lists, times.

pub use crate::domain::plan::{count, list};

/// `14:03:10`, local time on a terminal's machine, from milliseconds since 1970-01-01 UTC.
pub fn clock(ms: i64) -> String {
    let Ok(at) = jiff::Timestamp::from_millisecond(ms) else { return ms.to_string() };
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string()
}
