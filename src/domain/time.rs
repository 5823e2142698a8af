//! Instants, granularities and windows of time. Everything is UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// An instant in microseconds since 1970-01-01T00:00:00Z, in the years 0001 to 9999.
///
/// Read from RFC 3339 with any offset; without one it is UTC, and a date alone is its midnight. Fractions finer than a
/// microsecond are cut off, so that an instant is the same on every database. Written in UTC with `Z`. Files may have
/// other forms: see [`Timestamp::parse_in_file`].
///
/// ```
/// use heirloom::domain::time::Timestamp;
/// let t = Timestamp::parse("2026-11-23T09:30:00+01:00").unwrap();
/// assert_eq!(t.to_string(), "2026-11-23T08:30:00Z");
/// assert_eq!(Timestamp::parse("2026-11-23").unwrap().to_string(), "2026-11-23T00:00:00Z");
/// assert!(Timestamp::parse("2026-02-30").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(pub i64);

/// 0001-01-01T00:00:00Z.
const FIRST: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z.
const LAST: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The earliest instant there is.
    pub const MIN: Self = Self(FIRST);
    /// The latest instant there is.
    pub const MAX: Self = Self(LAST);

    /// Reads RFC 3339; the error is one sentence for the caller.
    pub fn parse(text: &str) -> Result<Self, String> {
        let micros = parse_with_offset(text).or_else(|| parse_without_offset(text));
        Self::checked(text, micros)
    }

    /// Reads what workflow systems write into files: besides RFC 3339 the basic form of ISO 8601
    /// (`20200402T001711+0000`), offsets such as `+01` and `+0100`, and the short American date (`01-22-21T04:30:55Z`
    /// is 22 January 2021), all of which stand in published WfFormat instances.
    pub fn parse_in_file(text: &str) -> Result<Self, String> {
        Self::parse(text).or_else(|refusal| {
            let micros = parse_iso_8601(text).or_else(|| parse_iso_8601(&american_to_iso(text)?));
            if micros.is_some() {
                Self::checked(text, micros)
            } else {
                Err(refusal)
            }
        })
    }

    fn checked(text: &str, micros: Option<i64>) -> Result<Self, String> {
        let micros = micros.ok_or_else(|| {
            format!(
                "{} is not a date and time: write RFC 3339, such as 2026-11-23T14:00:00Z.",
                quote(text)
            )
        })?;
        if (FIRST..=LAST).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(format!("{} is outside of the years 0001 to 9999.", quote(text)))
        }
    }

    /// Appends it to a text, as it is displayed: for lists of thousands.
    pub fn push_to(self, text: &mut Vec<u8>) {
        let t = self.civil();
        let year = u32::try_from(t.year()).unwrap_or_default();
        push_digits(text, year, 4);
        for (before, number) in [
            (b'-', t.month()),
            (b'-', t.day()),
            (b'T', t.hour()),
            (b':', t.minute()),
            (b':', t.second()),
        ] {
            text.push(before);
            push_digits(text, number, 2);
        }
        let micros = t.and_utc().timestamp_subsec_micros();
        if micros > 0 {
            text.push(b'.');
            push_digits(text, micros, 6);
            while text.last() == Some(&b'0') {
                text.pop();
            }
        }
        text.push(b'Z');
    }

    fn civil(self) -> NaiveDateTime {
        DateTime::<Utc>::from_timestamp_micros(self.0.clamp(FIRST, LAST))
            .unwrap_or_default()
            .naive_utc()
    }

    fn from_civil(civil: NaiveDateTime) -> Self {
        Self(civil.and_utc().timestamp_micros().clamp(FIRST, LAST))
    }
}

fn push_digits(text: &mut Vec<u8>, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        text.push(b'0' + u8::try_from(digit).unwrap_or_default());
    }
}

/// A caller's text in an error: shortened, so that an error is never longer than what it says.
fn quote(text: &str) -> String {
    if text.chars().count() <= 40 {
        format!("{text:?}")
    } else {
        format!("{:?}…", text.chars().take(40).collect::<String>())
    }
}

fn parse_with_offset(text: &str) -> Option<i64> {
    // chrono also takes a space for the T; RFC 3339 allows that, and so do we.
    DateTime::parse_from_rfc3339(text).ok().map(|t| t.timestamp_micros())
}

fn parse_without_offset(text: &str) -> Option<i64> {
    let civil = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|_| NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN)))
        .ok()?;
    // `%Y` takes years of other lengths than four digits; RFC 3339 has none.
    let four_digits = text.len() >= 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    four_digits.then(|| civil.and_utc().timestamp_micros())
}

/// The basic form, and the extended one with an offset without a colon. All digits must be there.
fn parse_iso_8601(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let (time, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => (&time[..at], iso_offset(&time[at..])?),
        None => (time, 0),
    };
    let whole = time.split('.').next()?;
    let civil = match (date.len(), whole.len()) {
        (8, 6) => NaiveDateTime::parse_from_str(&format!("{date}T{time}"), "%Y%m%dT%H%M%S%.f"),
        (10, 8) => NaiveDateTime::parse_from_str(&format!("{date}T{time}"), "%Y-%m-%dT%H:%M:%S%.f"),
        _ => return None,
    };
    Some(civil.ok()?.and_utc().timestamp_micros() - offset * 1_000_000)
}

/// `MM-DD-YYT…` as `20YY-MM-DDT…`.
fn american_to_iso(text: &str) -> Option<String> {
    let (date, time) = text.split_once('T')?;
    let parts: Vec<&str> = date.split('-').collect();
    let [month, day, year] = parts[..] else { return None };
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let is_american = [month, day, year].into_iter().all(two_digits);
    is_american.then(|| format!("20{year}-{month}-{day}T{time}"))
}

/// Seconds east of UTC: `Z`, `+01`, `+0100` or `+01:00`.
fn iso_offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, digits) = (
        if text.starts_with('-') { -1 } else { 1 },
        text[1..].replacen(':', "", 1),
    );
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 2 | 4) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = digits
        .get(2..)
        .filter(|m| !m.is_empty())
        .map_or(Some(0), |m| m.parse().ok())?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(27);
        self.push_to(&mut text);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl TryFrom<String> for Timestamp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse_in_file(&text)
    }
}

impl From<Timestamp> for String {
    fn from(t: Timestamp) -> Self {
        t.to_string()
    }
}

/// The size of an artifact's time windows, from fine to coarse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Granularity {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Granularity {
    /// Every granularity, from fine to coarse.
    pub const ALL: [Self; 6] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// As stored and as in the API: `MINUTE` … `YEAR`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "MINUTE",
            Self::Hour => "HOUR",
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
            Self::Year => "YEAR",
        }
    }

    /// The start of the window that contains an instant.
    ///
    /// ```
    /// use heirloom::domain::time::{Granularity, Timestamp};
    /// let sunday = Timestamp::parse("2026-11-22T23:59:59Z").unwrap();
    /// assert_eq!(Granularity::Week.floor(sunday).to_string(), "2026-11-16T00:00:00Z");
    /// ```
    pub fn floor(self, instant: Timestamp) -> Timestamp {
        let t = instant.civil();
        let day = t.date();
        let start = match self {
            Self::Minute => day.and_time(t.time()) - seconds(t.second()) - nanos(t.nanosecond()),
            Self::Hour => day.and_time(NaiveTime::MIN) + TimeDelta::hours(i64::from(t.hour())),
            Self::Day => day.and_time(NaiveTime::MIN),
            Self::Week => {
                let monday = day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday())));
                monday.unwrap_or(day).and_time(NaiveTime::MIN)
            }
            Self::Month => day.with_day(1).unwrap_or(day).and_time(NaiveTime::MIN),
            Self::Year => day
                .with_day(1)
                .and_then(|d| d.with_month(1))
                .unwrap_or(day)
                .and_time(NaiveTime::MIN),
        };
        Timestamp::from_civil(start)
    }

    /// The start of the window after the one that contains an instant; the end of time after the last.
    pub fn next(self, instant: Timestamp) -> Timestamp {
        let start = self.floor(instant).civil();
        let end = match self {
            Self::Minute => start.checked_add_signed(TimeDelta::minutes(1)),
            Self::Hour => start.checked_add_signed(TimeDelta::hours(1)),
            Self::Day => start.checked_add_days(Days::new(1)),
            Self::Week => start.checked_add_days(Days::new(7)),
            Self::Month => start.checked_add_months(Months::new(1)),
            Self::Year => start.checked_add_months(Months::new(12)),
        };
        end.map_or(Timestamp::MAX, Timestamp::from_civil)
    }

    /// The first start of a window at or after an instant.
    pub fn ceil(self, instant: Timestamp) -> Timestamp {
        if self.floor(instant) == instant {
            instant
        } else {
            self.next(instant)
        }
    }
}

fn seconds(n: u32) -> TimeDelta {
    TimeDelta::seconds(i64::from(n))
}

fn nanos(n: u32) -> TimeDelta {
    TimeDelta::nanoseconds(i64::from(n))
}

impl FromStr for Granularity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|g| g.as_str() == text).ok_or_else(|| {
            format!(
                "{} is no granularity: use MINUTE, HOUR, DAY, WEEK, MONTH or YEAR.",
                quote(text)
            )
        })
    }
}

/// A window of time: `[start, end)` of one granularity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Its first instant.
    pub start: Timestamp,
    /// Its size.
    pub granularity: Granularity,
}

impl Window {
    /// The window of a granularity that contains an instant.
    pub fn containing(instant: Timestamp, granularity: Granularity) -> Self {
        Self {
            start: granularity.floor(instant),
            granularity,
        }
    }

    /// The first instant after it.
    pub fn end(self) -> Timestamp {
        self.granularity.next(self.start)
    }

    /// Its short name: `2026-11-23T14:05`, `2026-11-23T14`, `2026-11-23`, `2026-W48`, `2026-11`, `2026`.
    pub fn label(self) -> String {
        let t = self.start.civil();
        let (year, month, day) = (t.year(), t.month(), t.day());
        match self.granularity {
            Granularity::Minute => format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}", t.hour(), t.minute()),
            Granularity::Hour => format!("{year:04}-{month:02}-{day:02}T{:02}", t.hour()),
            Granularity::Day => format!("{year:04}-{month:02}-{day:02}"),
            Granularity::Week => {
                let week = t.date().iso_week();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Granularity::Month => format!("{year:04}-{month:02}"),
            Granularity::Year => format!("{year:04}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Granularity, Timestamp, Window};

    fn t(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn reads_what_rfc_3339_allows_and_more() {
        assert_eq!(
            t("2026-11-23T00:00:00.123456789Z").to_string(),
            "2026-11-23T00:00:00.123456Z"
        );
        assert_eq!(t("2026-11-23T00:00:00-05:00"), t("2026-11-23T05:00:00"));
        assert_eq!(t("1969-12-31T23:59:59.5Z").0, -500_000);
        assert_eq!(t("9999-12-31T23:59:59.999999Z"), Timestamp::MAX);
        assert_eq!(t("0001-01-01T00:00:00Z"), Timestamp::MIN);
    }

    #[test]
    fn reads_what_workflow_systems_write_into_files() {
        let file = |text| Timestamp::parse_in_file(text).unwrap();
        assert_eq!(file("20200402T001711+0000").to_string(), "2020-04-02T00:17:11Z");
        assert_eq!(file("20200402T001711.25-0130").to_string(), "2020-04-02T01:47:11.25Z");
        assert_eq!(file("2020-04-02T00:17:11+01"), t("2020-04-01T23:17:11Z"));
        assert_eq!(file("01-22-21T04:30:55Z"), t("2021-01-22T04:30:55Z"));
        assert!(Timestamp::parse("01-22-21T04:30:55Z").is_err());
    }

    #[test]
    fn refuses_what_is_no_date() {
        let wrong = [
            "",
            "yesterday",
            "2026-02-30",
            "2026-13-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "26-01-01",
            "2026-11-23T25:00:00Z",
            "1e9",
            "20261123",
            "20261123T1417",
            "20261123T141700+1",
            "22-01-21T04:30:55Z",
            "2026-11-23T14:17:00+0a00",
            "0001-01-01T00:00:00+01:00",
        ];
        for text in wrong {
            assert!(Timestamp::parse_in_file(text).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn floors_and_labels() {
        let instant = t("2027-01-03T14:05:59.9Z"); // a Sunday, in the last ISO week of 2026
        let expected = [
            ("2027-01-03T14:05:00Z", "2027-01-03T14:06:00Z", "2027-01-03T14:05"),
            ("2027-01-03T14:00:00Z", "2027-01-03T15:00:00Z", "2027-01-03T14"),
            ("2027-01-03T00:00:00Z", "2027-01-04T00:00:00Z", "2027-01-03"),
            ("2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z", "2026-W53"),
            ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z", "2027-01"),
            ("2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z", "2027"),
        ];
        for (granularity, (start, end, label)) in Granularity::ALL.into_iter().zip(expected) {
            let window = Window::containing(instant, granularity);
            assert_eq!(
                (window.start, window.end(), window.label().as_str()),
                (t(start), t(end), label)
            );
        }
    }

    #[test]
    fn the_ends_of_time_have_windows() {
        for granularity in Granularity::ALL {
            assert_eq!(granularity.floor(Timestamp::MIN), Timestamp::MIN);
            assert!(Window::containing(Timestamp::MAX, granularity).end() <= Timestamp::MAX);
        }
    }
}
