//! The real-time clock (Motorola MC146818 data sheet), for the time of day.

use crate::port;

/// Register indices.
mod register {
    pub const TIME: [u8; 6] = [0, 2, 4, 7, 8, 9];
    pub const STATUS_A: u8 = 0x0a;
    pub const STATUS_B: u8 = 0x0b;
}

mod bit {
    /// Status A: the time changes within 244 µs or is changing.
    pub const UPDATE: u8 = 0x80;
    /// Status B: the registers are binary, not decimal digits.
    pub const BINARY: u8 = 0x04;
    /// Status B: hours count to 24.
    pub const HOURS_24: u8 = 0x02;
    /// Hours: afternoon, when hours count to 12.
    pub const AFTERNOON: u8 = 0x80;
}

/// Reads of a clock that never stands still before it counts as broken.
const MAX_READS: usize = 100;
/// Looks at the update flag; an update takes 2 ms at most.
const MAX_POLLS: usize = 100_000;

/// The registers: second, minute, hour, day, month, year, century, status B.
type Registers = [u8; 8];

/// Seconds since 1970-01-01 00:00 UTC, taking the clock as UTC. `century` is
/// that register's index, 0 if there is none. `None` without a working clock.
pub fn read(century: u8) -> Option<u64> {
    let mut last = None;
    for _ in 0..MAX_READS {
        let registers = read_registers(century)?;
        // Two equal reads: no update fell in between.
        if last == Some(registers) {
            return to_unix(registers);
        }
        last = Some(registers);
    }
    None
}

fn read_registers(century: u8) -> Option<Registers> {
    (0..MAX_POLLS).find(|_| read_register(register::STATUS_A) & bit::UPDATE == 0)?;
    let [second, minute, hour, day, month, year] = register::TIME.map(read_register);
    let century = if century == 0 {
        0
    } else {
        read_register(century)
    };
    let status = read_register(register::STATUS_B);
    Some([second, minute, hour, day, month, year, century, status])
}

fn read_register(index: u8) -> u8 {
    // SAFETY: the ports belong to the clock. Bit 7 of the index masks the NMI,
    // which stays as it is after reset: not masked.
    unsafe {
        port::write_u8(0x70, index);
        port::read_u8(0x71)
    }
}

fn to_unix(registers: Registers) -> Option<u64> {
    let [second, minute, raw_hour, day, month, year, century, status] = registers;
    let number = |value: u8| {
        if status & bit::BINARY != 0 {
            Some(u64::from(value))
        } else {
            let (tens, ones) = (value >> 4, value & 15);
            (tens < 10 && ones < 10).then_some(u64::from(tens * 10 + ones))
        }
    };
    let mut hour = number(raw_hour & !bit::AFTERNOON)?;
    if status & bit::HOURS_24 == 0 {
        hour = hour % 12
            + if raw_hour & bit::AFTERNOON != 0 {
                12
            } else {
                0
            };
    }
    let (second, minute) = (number(second)?, number(minute)?);
    let (day, month, year) = (number(day)?, number(month)?, number(year)?);
    // Without a believable century, the years are this one's.
    let century = number(century)
        .filter(|century| (19..=25).contains(century))
        .unwrap_or(20);
    let is_valid = second < 61
        && minute < 60
        && hour < 24
        && (1..=31).contains(&day)
        && (1..=12).contains(&month)
        && year < 100;
    let days = days_since_1970(century * 100 + year, month, day);
    is_valid.then(|| ((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, not before it.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    const DAYS_BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    // Leap days in all years before `year`, and in this one if it is past February.
    let past = if month > 2 {
        year
    } else {
        year.saturating_sub(1)
    };
    let leap_days = past / 4 - past / 100 + past / 400;
    let month_days = DAYS_BEFORE[(month as usize).clamp(1, 12) - 1];
    (year * 365 + leap_days + month_days + day).saturating_sub(1970 * 365 + 477 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_understood() {
        // 2001-09-09 01:46:40 UTC is 10^9.
        for (registers, expected) in [
            (
                [0x40, 0x46, 0x01, 0x09, 0x09, 0x01, 0x20, 0x02],
                Some(1_000_000_000),
            ),
            ([40, 46, 1, 9, 9, 1, 20, 0x06], Some(1_000_000_000)),
            (
                [0x40, 0x46, 0x01, 0x09, 0x09, 0x01, 0x00, 0x00],
                Some(1_000_000_000),
            ),
            (
                [0x40, 0x46, 0x81, 0x09, 0x09, 0x01, 0x00, 0x00],
                Some(1_000_043_200),
            ),
            (
                [0x40, 0x46, 0x12, 0x09, 0x09, 0x01, 0x20, 0x00],
                Some(999_996_400),
            ),
            ([0, 0, 0, 1, 1, 70, 19, 0x06], Some(0)),
            ([59, 59, 23, 29, 2, 24, 20, 0x06], Some(1_709_251_199)),
            ([0xff; 8], None),
            ([0x4a, 0, 0, 1, 1, 0, 0, 0], None),
        ] {
            assert_eq!(to_unix(registers), expected, "{registers:x?}");
        }
    }
}
