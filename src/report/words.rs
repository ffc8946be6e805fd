//! Words are made, not typed: counts, lists, times.

use std::io::IsTerminal;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use crate::domain::plan::{count, list};

/// `14:03:10`, from milliseconds since 1970-01-01 UTC: local time on a terminal, `14:03:10Z` elsewhere.
pub fn clock(ms: i64) -> String {
    let Ok(at) = Timestamp::from_millisecond(ms) else { return ms.to_string() };
    match std::io::stderr().is_terminal() {
        true => at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string(),
        false => at.to_zoned(TimeZone::UTC).strftime("%H:%M:%SZ").to_string(),
    }
}

/// `2026-11-02 09:14` in local time, or `2026-11-02T08:14:03Z`.
pub fn moment(ms: i64, local: bool) -> String {
    let Ok(at) = Timestamp::from_millisecond(ms) else { return ms.to_string() };
    match local {
        true => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
        false => at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

/// For JSON: `2026-11-02T08:14:03.123Z`.
pub fn instant(ms: i64) -> String {
    let Ok(at) = Timestamp::from_millisecond(ms) else { return ms.to_string() };
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// `31 ms`, `1.2 s`, `14 s`, `2 min 5 s`.
pub fn span(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = ms / 1000;
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..10_000 => format!("{seconds}.{} s", ms % 1000 / 100),
        10_000..120_000 => format!("{seconds} s"),
        120_000..7_200_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// [`span`] of a duration.
pub fn elapsed(time: Duration) -> String {
    span(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

/// The end of a run's id, which is what people see of it.
pub fn short_run(run: &str) -> &str {
    run.char_indices().rev().nth(3).map_or(run, |(at, _)| &run[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        assert_eq!(span(2), "2 ms");
        assert_eq!(span(1234), "1.2 s");
        assert_eq!(span(14_999), "14 s");
        assert_eq!(span(125_000), "2 min 5 s");
        assert_eq!(span(7_380_000), "2 h 3 min");
        assert_eq!(span(-1), "0 ms");
        assert_eq!(moment(1_793_607_243_000, false), "2026-11-02T08:14:03Z");
        assert_eq!(instant(1_793_607_243_007), "2026-11-02T08:14:03.007Z");
    }

    #[test]
    fn a_run_is_known_by_its_end() {
        assert_eq!(short_run("019a0b1c2d3e7f3a"), "7f3a");
        assert_eq!(short_run("7f"), "7f");
    }
}
