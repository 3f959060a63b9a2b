//! The memory functions against naive models, at every length and overlap.

use proptest::prelude::*;

const SIZE: usize = 512;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), SIZE)
}

proptest! {
    #[test]
    fn copy_within_is_memmove(
        mut buffer in bytes(),
        from in 0..SIZE, to in 0..SIZE, length in 0..SIZE,
    ) {
        let length = length.min(SIZE - from.max(to));
        let mut expected = buffer.clone();
        expected.copy_within(from..from + length, to);
        let base = buffer.as_mut_ptr();
        // SAFETY: both ranges end at or before `SIZE`.
        unsafe { memory_functions::copy(base.add(to), base.add(from), length) };
        prop_assert_eq!(buffer, expected);
    }

    #[test]
    fn fill_touches_its_range_only(
        mut buffer in bytes(), value: u8, from in 0..SIZE, length in 0..SIZE,
    ) {
        let length = length.min(SIZE - from);
        let mut expected = buffer.clone();
        expected[from..from + length].fill(value);
        // SAFETY: the range ends at or before `SIZE`.
        unsafe { memory_functions::fill(buffer.as_mut_ptr().add(from), value, length) };
        prop_assert_eq!(buffer, expected);
    }

    #[test]
    fn compare_orders_like_slices(
        left in bytes(), change in proptest::option::of((0..SIZE, any::<u8>())),
        from in 0..SIZE, length in 0..SIZE,
    ) {
        let length = length.min(SIZE - from);
        let mut right = left.clone();
        if let Some((at, value)) = change {
            right[at] = value;
        }
        let (a, b) = (&left[from..from + length], &right[from..from + length]);
        // SAFETY: both slices have this length.
        let result = unsafe { memory_functions::compare(a.as_ptr(), b.as_ptr(), length) };
        prop_assert_eq!(result.cmp(&0), a.cmp(b));
    }
}

#[test]
fn every_short_length_and_distance() {
    for length in 0..=200 {
        for distance in 0..=80 {
            let mut buffer: Vec<u8> = (0..SIZE).map(|i| i as u8).collect();
            let mut expected = buffer.clone();
            expected.copy_within(100..100 + length, 100 + distance);
            expected.copy_within(100..100 + length, 100 - distance);
            let base = buffer.as_mut_ptr();
            // SAFETY: 100 + 80 + 200 and 100 - 80 lie within the buffer.
            unsafe {
                memory_functions::copy(base.add(100 + distance), base.add(100), length);
                memory_functions::copy(base.add(100 - distance), base.add(100), length);
            }
            assert_eq!(buffer, expected, "length {length}, distance {distance}");
        }
    }
}
