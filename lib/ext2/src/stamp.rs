//! Time stamps of inodes, in seconds since 1970.
//!
//! The classic field is signed: 1901 to 2038. An inode larger than that of the first
//! revision can have two more bits for each, which count on to 2446, beside the
//! nanoseconds (Linux, `Documentation/filesystems/ext4/inodes.rst`, "Inode Timestamps").

use crate::bytes::{put_u32, u16_at, u32_at};
use crate::inode::CLASSIC_BYTES;

/// Where the size of what follows the classic part is.
const EXTRA_BYTES: usize = CLASSIC_BYTES;
/// What an inode made here has beyond the classic part, as the kernels of today have.
const NEW_EXTRA_BYTES: u16 = 32;
/// Bits of the extra field that extend the seconds; above are nanoseconds.
const EPOCH_BITS: u32 = 0b11;
/// Seconds of one epoch.
const EPOCH_S: i64 = 1 << 32;

/// Where a time is in an inode.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    seconds: usize,
    extra: usize,
}

/// Last access.
pub(crate) const ACCESS: Field = Field {
    seconds: 8,
    extra: 140,
};
/// Last change of the attributes.
pub(crate) const CHANGE: Field = Field {
    seconds: 12,
    extra: 132,
};
/// Last change of the contents.
pub(crate) const MODIFICATION: Field = Field {
    seconds: 16,
    extra: 136,
};

/// Makes room for extended times in a new inode, if it is large enough.
pub(crate) fn make_room(bytes: &mut [u8]) {
    if let Some(rest) = bytes.len().checked_sub(CLASSIC_BYTES)
        && rest >= usize::from(NEW_EXTRA_BYTES)
    {
        bytes[EXTRA_BYTES..EXTRA_BYTES + 2].copy_from_slice(&NEW_EXTRA_BYTES.to_le_bytes());
    }
}

impl Field {
    /// Whether the inode has the extra part of this time.
    fn is_extended(self, bytes: &[u8]) -> bool {
        if bytes.len() <= CLASSIC_BYTES {
            return false;
        }
        let end = CLASSIC_BYTES + usize::from(u16_at(bytes, EXTRA_BYTES));
        self.extra + 4 <= end.min(bytes.len())
    }

    /// The time in an inode's bytes.
    pub(crate) fn read(self, bytes: &[u8]) -> i64 {
        let seconds = i64::from(u32_at(bytes, self.seconds).cast_signed());
        if !self.is_extended(bytes) {
            return seconds;
        }
        let epoch = u32_at(bytes, self.extra) & EPOCH_BITS;
        seconds + i64::from(epoch) * EPOCH_S
    }

    /// Puts a time into an inode's bytes, the nearest one that it can have. One that is
    /// there already keeps its nanoseconds.
    pub(crate) fn write(self, bytes: &mut [u8], time_s: i64) {
        if self.read(bytes) == time_s {
            return;
        }
        let is_extended = self.is_extended(bytes);
        let epochs = if is_extended {
            i64::from(EPOCH_BITS)
        } else {
            0
        };
        let latest = i64::from(i32::MAX) + epochs * EPOCH_S;
        let time_s = time_s.clamp(i32::MIN.into(), latest);
        // The lower half, as two's complement has it.
        put_u32(bytes, self.seconds, time_s as u32);
        if is_extended {
            let epoch = (time_s - i64::from(time_s as i32)) / EPOCH_S;
            put_u32(bytes, self.extra, epoch as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIELDS: [Field; 3] = [ACCESS, CHANGE, MODIFICATION];

    fn inode(size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        make_room(&mut bytes);
        bytes
    }

    #[test]
    fn as_the_documentation_has_it() {
        // The table of "Inode Timestamps".
        for (extra, seconds, time_s) in [
            (0, 0x8000_0000_u32, -0x8000_0000_i64),
            (0, 0xffff_ffff, -1),
            (0, 0, 0),
            (0, 0x7fff_ffff, 0x7fff_ffff),
            (1, 0x8000_0000, 0x8000_0000),
            (1, 0, 0x1_0000_0000),
            (1, 0x7fff_ffff, 0x1_7fff_ffff),
            (3, 0x7fff_ffff, 0x3_7fff_ffff),
        ] {
            for field in FIELDS {
                let mut bytes = inode(256);
                put_u32(&mut bytes, field.seconds, seconds);
                put_u32(&mut bytes, field.extra, extra);
                assert_eq!(field.read(&bytes), time_s);
                let mut written = inode(256);
                field.write(&mut written, time_s);
                assert_eq!(written, bytes);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_the_nearest_that_does() {
        for (size, latest) in [(128, 0x7fff_ffff), (256, 0x3_7fff_ffff)] {
            for field in FIELDS {
                let mut bytes = inode(size);
                field.write(&mut bytes, i64::MAX);
                assert_eq!(field.read(&bytes), latest);
                field.write(&mut bytes, i64::MIN);
                assert_eq!(field.read(&bytes), -0x8000_0000);
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            times in prop::array::uniform3(-0x8000_0000_i64..0x3_8000_0000),
            size in prop::sample::select(vec![128_usize, 256, 1024]),
        ) {
            let mut bytes = inode(size);
            for (field, time_s) in FIELDS.into_iter().zip(times) {
                field.write(&mut bytes, time_s);
            }
            for (field, time_s) in FIELDS.into_iter().zip(times) {
                let expected = if size == 128 { time_s.min(0x7fff_ffff) } else { time_s };
                prop_assert_eq!(field.read(&bytes), expected);
            }
        }

        #[test]
        fn nanoseconds_stay_with_their_second(extra in any::<u32>(), seconds in any::<u32>()) {
            let mut bytes = inode(256);
            put_u32(&mut bytes, ACCESS.seconds, seconds);
            put_u32(&mut bytes, ACCESS.extra, extra);
            let before = bytes.clone();
            let time_s = ACCESS.read(&bytes);
            ACCESS.write(&mut bytes, time_s);
            prop_assert_eq!(before, bytes);
        }
    }
}
