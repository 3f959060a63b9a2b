//! Clocks and sleeping.

pub use core::time::Duration;

use crate::system::{check, system};

/// A point of the monotonic clock, which starts with the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    since_boot: Duration,
}

impl Instant {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            since_boot: Duration::from_nanos(system().monotonic_ns().unwrap_or(0)),
        }
    }

    /// How long ago this was.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().since_boot.saturating_sub(self.since_boot)
    }

    /// Time between the start of the system and this.
    #[must_use]
    pub const fn since_boot(&self) -> Duration {
        self.since_boot
    }
}

/// Time since 1970-01-01 00:00 UTC.
#[must_use]
pub fn since_epoch() -> Duration {
    Duration::from_nanos(system().wall_clock_ns().unwrap_or(0))
}

/// Sleeps.
pub fn sleep(duration: Duration) {
    let duration_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    // It ends early only for a process that is killed.
    let _ = check(system().sleep_ns(duration_ns));
}

/// A day and time of day, UTC, in the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// Year.
    pub year: i64,
    /// Month, 1–12.
    pub month: u32,
    /// Day of the month, 1–31.
    pub day: u32,
    /// Hour, 0–23.
    pub hour: u32,
    /// Minute, 0–59.
    pub minute: u32,
    /// Second, 0–59.
    pub second: u32,
    /// Day of the week, 0: Sunday.
    pub weekday: u32,
    /// Day of the year, 1–366.
    pub year_day: u32,
}

impl DateTime {
    /// Names of the months.
    pub const MONTHS: [&'static str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];

    /// Names of the days of the week.
    pub const WEEKDAYS: [&'static str; 7] = [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ];

    /// The date `seconds` after 1970-01-01 00:00, or before it.
    #[must_use]
    pub fn from_epoch_s(seconds: i64) -> Self {
        let days = seconds.div_euclid(86_400);
        let in_day = seconds.rem_euclid(86_400);
        // Years are counted from 1 March, so that the leap day ends them; 400
        // of them have 146,097 days.
        let shifted = days + 719_468;
        let (era, in_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
        let from_march = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * from_march + 2) / 153;
        let day = from_march - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        let is_leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        let year_day = match month {
            1 | 2 => from_march - 305,
            _ => from_march + 60 + i64::from(is_leap),
        };
        let small = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            year,
            month: small(month),
            day: small(day),
            hour: small(in_day / 3_600),
            minute: small(in_day / 60 % 60),
            second: small(in_day % 60),
            weekday: small((days + 4).rem_euclid(7)),
            year_day: small(year_day),
        }
    }

    /// Name of its month.
    #[must_use]
    pub fn month_name(&self) -> &'static str {
        Self::MONTHS[(self.month as usize).clamp(1, 12) - 1]
    }

    /// Name of its day of the week.
    #[must_use]
    pub fn weekday_name(&self) -> &'static str {
        Self::WEEKDAYS[(self.weekday as usize).min(6)]
    }
}

#[cfg(test)]
mod tests {
    use super::DateTime;

    #[test]
    fn dates() {
        let date = |seconds| {
            let d = DateTime::from_epoch_s(seconds);
            (
                d.year, d.month, d.day, d.hour, d.minute, d.second, d.weekday, d.year_day,
            )
        };
        assert_eq!(date(-1), (1969, 12, 31, 23, 59, 59, 3, 365));
        assert_eq!(date(-315_619_200), (1960, 1, 1, 0, 0, 0, 5, 1));
        assert_eq!(date(-2_147_483_648), (1901, 12, 13, 20, 45, 52, 5, 347));
        assert_eq!(date(15_032_385_535), (2446, 5, 10, 22, 38, 55, 4, 130));
        assert_eq!(date(0), (1970, 1, 1, 0, 0, 0, 4, 1));
        assert_eq!(date(951_827_696), (2000, 2, 29, 12, 34, 56, 2, 60));
        assert_eq!(date(1_704_067_199), (2023, 12, 31, 23, 59, 59, 0, 365));
        assert_eq!(date(1_735_603_200), (2024, 12, 31, 0, 0, 0, 2, 366));
        assert_eq!(date(4_102_444_800), (2100, 1, 1, 0, 0, 0, 5, 1));
        assert_eq!(date(4_107_542_400), (2100, 3, 1, 0, 0, 0, 1, 60));
    }
}
