//! Heap, locks, threads and options against the stand-in kernel.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use runtime::heap::Heap;
use runtime::sync::{Condvar, Mutex, Once};
use runtime::thread::{self, Priority};
use runtime::time::{Duration, Instant};
use runtime::{OptionError, Options};

/// A sequence of numbers without pattern.
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn check(block: *mut u8, layout: Layout, tag: u8) {
    // SAFETY: the block is live and was filled to this size.
    let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
    assert!(bytes.iter().all(|&byte| byte == tag), "blocks overlap");
}

#[test]
fn heap_blocks_are_apart_aligned_and_keep_their_contents() {
    let heap = Heap::new();
    let mut state = 1;
    let mut live: Vec<(*mut u8, Layout, u8)> = Vec::new();
    for round in 0..4000_u32 {
        let size = match next(&mut state) % 10 {
            0 => 30_000 + next(&mut state) as usize % 80_000,
            1..4 => 1 + next(&mut state) as usize % 4_000,
            _ => 1 + next(&mut state) as usize % 200,
        };
        let align = 1 << (next(&mut state) % 8);
        let layout = Layout::from_size_align(size, align).unwrap();
        let tag = round as u8;
        // SAFETY: sizes are not zero; blocks are freed once with their layout.
        unsafe {
            let block = heap.alloc(layout);
            assert!(!block.is_null() && (block as usize).is_multiple_of(align));
            block.write_bytes(tag, size);
            live.push((block, layout, tag));
            let index = next(&mut state) as usize % live.len();
            match next(&mut state) % 4 {
                0 => {
                    let (block, layout, tag) = live.swap_remove(index);
                    check(block, layout, tag);
                    heap.dealloc(block, layout);
                }
                1 => {
                    let (block, layout, tag) = live[index];
                    let size = 1 + next(&mut state) as usize % 60_000;
                    let new = heap.realloc(block, layout, size);
                    let kept = Layout::from_size_align(size.min(layout.size()), 1).unwrap();
                    check(new, kept, tag);
                    new.write_bytes(tag, size);
                    live[index] = (
                        new,
                        Layout::from_size_align(size, layout.align()).unwrap(),
                        tag,
                    );
                }
                2 => {
                    let layout = Layout::from_size_align(size, 8).unwrap();
                    let block = heap.alloc_zeroed(layout);
                    check(block, layout, 0);
                    heap.dealloc(block, layout);
                }
                _ => {}
            }
        }
    }
    for (block, layout, tag) in live {
        check(block, layout, tag);
        // SAFETY: live, freed once.
        unsafe { heap.dealloc(block, layout) };
    }
}

#[test]
fn a_mutex_lets_one_in_at_a_time() {
    let total = Arc::new(Mutex::new(0_u64));
    let done = Arc::new((Mutex::new(0), Condvar::new()));
    for _ in 0..4 {
        let (total, done) = (total.clone(), done.clone());
        thread::spawn("adder", Priority::Normal, move || {
            for _ in 0..2000 {
                let mut total = total.lock();
                let seen = *total;
                if seen % 64 == 0 {
                    thread::yield_now();
                }
                *total = seen + 1;
            }
            *done.0.lock() += 1;
            done.1.notify_all();
        })
        .unwrap();
    }
    let finished = done.1.wait_while(done.0.lock(), |finished| *finished < 4);
    assert_eq!(*finished, 4);
    assert_eq!(*total.lock(), 8000);
}

#[test]
fn a_condition_can_time_out() {
    let (mutex, condition) = (Mutex::new(()), Condvar::new());
    let start = Instant::now();
    let deadline = start + Duration::from_millis(20);
    // It may return early: the stand-in wakes all waiters at every `wake`.
    while !condition
        .wait_timeout(mutex.lock(), deadline - Instant::now())
        .1
    {
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn once_makes_one_value() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    static VALUE: Once<u32> = Once::new();
    let finished = Arc::new((Mutex::new(0), Condvar::new()));
    for _ in 0..4 {
        let finished = finished.clone();
        thread::spawn("maker", Priority::Normal, move || {
            let value = *VALUE.get_or_init(|| {
                thread::sleep(Duration::from_millis(5));
                MADE.fetch_add(1, Ordering::Relaxed) + 41
            });
            assert_eq!(value, 41);
            *finished.0.lock() += 1;
            finished.1.notify_one();
        })
        .unwrap();
    }
    drop(
        finished
            .1
            .wait_while(finished.0.lock(), |finished| *finished < 4),
    );
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
    assert_eq!(VALUE.set(7), Err(7));
    let fresh = Once::new();
    assert_eq!(fresh.set(7), Ok(()));
    assert_eq!(fresh.get(), Some(&7));
}

#[test]
fn options_say_what_is_wrong_in_one_line() {
    let options = Options::new("depth=32\nname = disk\nsize=64M\nfast=yes\n".into());
    assert_eq!(options.number("depth", 1), Ok(32));
    assert_eq!(options.number("missing", 5), Ok(5));
    assert_eq!(options.required("name"), Ok("disk"));
    assert_eq!(options.size("size", 0), Ok(64 << 20));
    let error = options.flag("fast", false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "option `fast` is `yes`, expected true or false"
    );
    assert_eq!(
        options.required("other"),
        Err(OptionError::Missing { key: "other" })
    );
    assert!(options.size("name", 0).is_err());
}
