//! Times at which something may change by itself: hours of days of the week, in somebody's time zone.

use std::fmt;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::invalid::{Invalid, field};
use crate::clock::UnixMillis;

/// A stretch of a day, on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeWindow {
    /// The days on which it opens; all, if none is named.
    #[serde(default)]
    pub days: Vec<Day>,
    /// Time at which it opens, `HH:MM`.
    pub from: String,
    /// Time at which it closes, `HH:MM`; at or before `from` it is the next day's.
    pub to: String,
    /// By whose clock: a name of the IANA time zone database.
    #[serde(default = "utc")]
    pub time_zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are known")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    fn of(weekday: Weekday) -> Self {
        match weekday {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// "Mon, Tue 09:00–17:00 UTC".
impl fmt::Display for ChangeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { days, from, to, time_zone } = self;
        let names: Vec<String> = days.iter().map(|day| format!("{day:?}")).collect();
        let days = if names.is_empty() { String::new() } else { format!("{} ", names.join(", ")) };
        write!(f, "{days}{from}–{to} {time_zone}")
    }
}

impl ChangeWindow {
    /// # Errors
    /// The field that is wrong.
    pub fn check(&self) -> Result<(), Invalid> {
        for (name, text) in
            [("policy.change_windows.from", &self.from), ("policy.change_windows.to", &self.to)]
        {
            if time(text).is_none() {
                return Err(field(name, format!("{text:?} is no time of a day"), "HH:MM"));
            }
        }
        match TimeZone::get(&self.time_zone) {
            Ok(_) => Ok(()),
            Err(error) => Err(field(
                "policy.change_windows.time_zone",
                error.to_string(),
                "such as Europe/Berlin or UTC",
            )),
        }
    }

    /// Tells whether it is open at `now`. One that does not check is never open.
    #[must_use]
    pub fn is_open(&self, now: UnixMillis) -> bool {
        self.at(now).and_then(|here| self.holds(&here)).unwrap_or(false)
    }

    fn at(&self, now: UnixMillis) -> Option<Zoned> {
        let zone = TimeZone::get(&self.time_zone).ok()?;
        Some(Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone))
    }

    fn holds(&self, here: &Zoned) -> Option<bool> {
        let (from, to, now) = (time(&self.from)?, time(&self.to)?, here.time());
        let opens = |weekday| self.days.is_empty() || self.days.contains(&Day::of(weekday));
        let (today, yesterday) = (here.weekday(), here.weekday().previous());
        let over_midnight = to <= from;
        Some(if over_midnight {
            (now >= from && opens(today)) || (now < to && opens(yesterday))
        } else {
            from <= now && now < to && opens(today)
        })
    }
}

fn time(text: &str) -> Option<Time> {
    Time::strptime("%H:%M", text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &[Day], from: &str, to: &str, time_zone: &str) -> ChangeWindow {
        ChangeWindow { days: days.to_vec(), from: from.into(), to: to.into(), time_zone: time_zone.into() }
    }

    fn at(text: &str) -> UnixMillis {
        UnixMillis(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn it_is_open_from_its_first_minute_to_before_its_last_on_its_days_by_its_own_clock() {
        // 2026-11-25 is a Wednesday; Berlin is an hour ahead of UTC in winter and two in summer.
        let office = window(&[Day::Mon, Day::Wed], "09:00", "16:30", "Europe/Berlin");
        assert!(office.is_open(at("2026-11-25T08:00:00Z")));
        assert!(!office.is_open(at("2026-11-25T07:59:59Z")));
        assert!(office.is_open(at("2026-11-25T15:29:59Z")) && !office.is_open(at("2026-11-25T15:30:00Z")));
        assert!(!office.is_open(at("2026-11-26T10:00:00Z")), "a Thursday");
        assert!(office.is_open(at("2026-07-01T07:00:00Z")), "summer time");
    }

    #[test]
    fn over_midnight_it_belongs_to_the_day_on_which_it_opens() {
        let night = window(&[Day::Fri], "22:00", "04:00", "UTC");
        assert!(night.is_open(at("2026-11-27T23:00:00Z")) && night.is_open(at("2026-11-28T03:59:00Z")));
        assert!(!night.is_open(at("2026-11-27T03:00:00Z")) && !night.is_open(at("2026-11-28T22:00:00Z")));
        let always = window(&[], "00:00", "00:00", "UTC");
        assert!(always.is_open(at("2026-11-28T12:00:00Z")));
    }

    #[test]
    fn what_is_no_time_or_no_zone_is_told_and_never_open() {
        for (wrong, place) in [
            (window(&[], "9 o'clock", "10:00", "UTC"), "from"),
            (window(&[], "09:00", "25:00", "UTC"), "to"),
            (window(&[], "09:00", "10:00", "Mars/Olympus"), "time_zone"),
        ] {
            assert!(wrong.check().unwrap_err().to_string().contains(place), "{place}");
            assert!(!wrong.is_open(at("2026-11-25T09:30:00Z")));
        }
        window(&[], "09:00", "10:00", "America/New_York").check().unwrap();
    }
}
