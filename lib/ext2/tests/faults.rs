//! A store that fails, and one that stops between two writes.

#![forbid(unsafe_code)]

mod support;

use ext2::{Error, Ext2, MountError, MountOptions};
use support::*;

/// No cache to speak of: every transfer reaches the store.
const UNCACHED: MountOptions = MountOptions {
    read_only: false,
    cache_bytes: 1,
};

/// An image of so many KiB with files in its root, each of so many bytes.
fn image_with(kib: u32, files: &[(&[u8], usize)]) -> Vec<u8> {
    let store = MemoryStore::new(empty_image(1024, kib));
    let mut fs = mount(&store);
    let root = fs.root();
    for (name, bytes) in files {
        let inode = fs.create(root, name, PLAIN).expect("create");
        fs.write(inode, 0, &pattern(*bytes, 1)).expect("write");
    }
    fs.sync().expect("sync");
    drop(fs);
    store.bytes.take()
}

/// A bit of everything; ends at the first error.
fn exercise(fs: &mut Mounted) -> Result<(), Error<StoreError>> {
    let root = fs.root();
    let directory = fs.mkdir(root, b"d", PLAIN)?;
    for i in 0..30 {
        let name = format!("a file with a name that fills blocks {i}");
        let inode = fs.create(directory, name.as_bytes(), PLAIN)?;
        fs.write(inode, 0, &pattern(i * 3_000, i as u32))?;
    }
    let inode = fs.lookup(directory, b"a file with a name that fills blocks 20")?;
    let mut bytes = vec![0; 60_000];
    fs.read(inode, 0, &mut bytes)?;
    fs.retain(inode)?;
    fs.unlink(directory, b"a file with a name that fills blocks 20")?;
    fs.sync()?;
    fs.release(inode)?;
    fs.symlink(root, b"l", &[b'x'; 100], PLAIN)?;
    fs.rename(
        directory,
        b"a file with a name that fills blocks 3",
        root,
        b"moved",
    )?;
    let moved = fs.lookup(root, b"moved")?;
    fs.truncate(moved, 1_000)?;
    fs.sync()
}

#[test]
fn failing_transfers_are_errors_and_repairable() {
    let steps = if is_slow() { 1 } else { 16 };
    for (reads, writes) in [(true, false), (false, true), (true, true)] {
        for every in (1..150).step_by(steps) {
            let store = MemoryStore::new(empty_image(1024, 2048));
            let mut fs = mount_with(&store, UNCACHED);
            store.control.fail(reads, writes, every);
            // The same again after each failure, on the same mount.
            let mut failures = 0;
            for _ in 0..5 {
                match exercise(&mut fs) {
                    Err(Error::Io(StoreError)) => failures += 1,
                    Ok(()) | Err(Error::Exists | Error::NotFound | Error::Corrupt(_)) => {}
                    Err(other) => panic!("an unexpected answer: {other:?}"),
                }
            }
            assert!(
                failures > 0 || every > 20,
                "transfers failed unnoticed: every {every}"
            );
            store.control.recover();
            let synced = fs.sync();
            assert!(synced.is_ok(), "{synced:?}");
            let (status, text) = e2fsck(&store, "-fy");
            assert!(status <= 1, "every {every}: {text}");
            check(&store);
        }
    }
}

#[test]
fn a_failing_mount_is_an_error() {
    for every in 1..4 {
        let store = MemoryStore::new(empty_image(1024, 2048));
        store.control.fail_reads(every);
        let mounted = Ext2::mount(store, clock(), MountOptions::default()).map(|_| ());
        match every {
            1 | 2 => assert_eq!(mounted, Err(MountError::Io(StoreError))),
            _ => assert_eq!(mounted, Ok(())),
        }
    }
}

#[test]
fn a_failed_sync_can_be_repeated() {
    let store = MemoryStore::new(empty_image(1024, 2048));
    let mut fs = mount(&store);
    let root = fs.root();
    let inode = fs.create(root, b"f", PLAIN).expect("create");
    fs.write(inode, 0, &pattern(10_000, 1)).expect("write");
    store.control.fail_writes(1);
    assert_eq!(fs.sync(), Err(Error::Io(StoreError)));
    store.control.recover();
    fs.sync().expect("sync");
    check(&store);
    assert!(debugfs(&store, "cat f") == pattern(10_000, 1));
}

#[test]
fn a_crash_between_any_two_writes_loses_nothing_that_was_synced() {
    let image = image_with(2048, &[(b"kept", 100_000)]);
    let mut stop_after = 1;
    loop {
        let store = MemoryStore::new(image.clone());
        let mut fs = mount_with(&store, UNCACHED);
        // Nothing more is tried after the n-th write failed: as if the power went.
        store.control.fail_writes(stop_after);
        match exercise(&mut fs) {
            Ok(()) => break,
            Err(error) => assert_eq!(error, Error::Io(StoreError)),
        }
        let snapshot = store.bytes.borrow().clone();
        let crashed = MemoryStore::new(snapshot);
        let (status, text) = e2fsck(&crashed, "-fy");
        assert!(status <= 1, "after {stop_after} writes: {text}");
        assert!(debugfs(&crashed, "cat kept") == pattern(100_000, 1));
        stop_after += if is_slow() { 1 } else { 17 };
    }
    assert!(
        stop_after > 20,
        "the scenario writes more than that: {stop_after}"
    );
}

/// Big enough for two levels of indirect blocks of 1 KiB.
const BIG_BYTES: usize = 400_000;

#[test]
fn a_removal_that_cannot_read_the_map_leaves_nothing_to_repair() {
    let image = image_with(2048, &[(b"removed", BIG_BYTES), (b"cut off", BIG_BYTES)]);
    let mut failures = 0;
    for every in 1..12 {
        let store = MemoryStore::new(image.clone());
        let mut fs = mount(&store);
        let root = fs.root();
        let cut = fs.lookup(root, b"cut off").expect("lookup");
        store.control.fail_reads(every);
        let answers = [fs.unlink(root, b"removed"), fs.truncate(cut, 5_000)];
        failures += answers.iter().filter(|answer| answer.is_err()).count();
        store.control.recover();
        fs.finish().expect("finish");
        check(&store);
    }
    assert!(failures > 0, "no read failed");
}

#[test]
fn what_is_still_retained_at_the_end_is_deleted() {
    let store = MemoryStore::new(empty_image(1024, 2048));
    let mut fs = mount(&store);
    let root = fs.root();
    let inode = fs.create(root, b"open", PLAIN).expect("create");
    fs.write(inode, 0, &pattern(50_000, 1)).expect("write");
    let free_inodes = fs.statfs().free_inodes;
    fs.retain(inode).expect("retain");
    fs.unlink(root, b"open").expect("unlink");
    fs.finish().expect("finish");
    assert_eq!(fs.statfs().free_inodes, free_inodes + 1);
    assert_eq!(fs.retentions(inode), 0);
    check(&store);
}

#[test]
fn a_write_that_fails_leaves_nothing_to_repair() {
    let image = image_with(4096, &[(b"grows", 30_000)]);
    let mut failures = 0;
    for every in 1..12 {
        let store = MemoryStore::new(image.clone());
        let mut fs = mount(&store);
        let inode = fs.lookup(fs.root(), b"grows").expect("lookup");
        store.control.fail_writes(every);
        let answer = fs.write(inode, 30_000, &pattern(1_000_000, 2));
        failures += u32::from(answer.is_err());
        store.control.recover();
        fs.finish().expect("finish");
        check(&store);
    }
    assert!(failures > 0, "no write failed");
}
