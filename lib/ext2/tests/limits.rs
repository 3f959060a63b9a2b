//! Full disks, large files, many files: the ends of what an image can hold.

#![forbid(unsafe_code)]

mod support;

use std::time::{Duration, Instant};

use ext2::{Error, MountOptions};
use support::*;

#[test]
fn a_full_disk_refuses_and_stays_sound() {
    for block_bytes in [1024, 4096] {
        let store = MemoryStore::new(mke2fs(&["-b", &block_bytes.to_string(), "-N", "64"], 2048));
        let mut fs = mount(&store);
        let root = fs.root();
        let empty = fs.statfs();
        let directory = fs.mkdir(root, b"d", PLAIN).expect("mkdir");
        let large = fs.create(root, b"large", PLAIN).expect("create");
        let bytes = pattern(4 << 20, 1);
        let written = fs
            .write(large, 0, &bytes)
            .expect("as much as there is room");
        assert!(written < bytes.len() && written > 1 << 20, "{written}");
        assert_eq!(fs.statfs().free_blocks, 0);
        assert_eq!(
            fs.write(large, written as u64, b"more"),
            Err(Error::NoSpace)
        );
        assert_eq!(fs.mkdir(root, b"e", PLAIN), Err(Error::NoSpace));
        assert_eq!(
            fs.symlink(root, b"l", &[b'x'; 100], PLAIN),
            Err(Error::NoSpace)
        );
        assert!(contents(&mut fs, large) == bytes[..written]);
        fs.sync().expect("sync");
        check(&store);
        // Names until the directory cannot grow, then until the inodes are gone.
        let (made, refused) = create_until_refused(&mut fs, directory, 200);
        assert_eq!(refused, Error::NoSpace);
        fs.sync().expect("sync");
        check(&store);
        fs.truncate(large, 100).expect("truncate");
        let (inodes, refused) = create_until_refused(&mut fs, root, 20);
        assert_eq!(refused, Error::NoSpace);
        assert_eq!(fs.statfs().free_inodes, 0);
        assert_eq!(fs.mkdir(root, b"e", PLAIN), Err(Error::NoSpace));
        fs.sync().expect("sync");
        check(&store);
        (0..made).for_each(|i| fs.unlink(directory, &numbered(i, 200)).expect("unlink"));
        (0..inodes).for_each(|i| fs.unlink(root, &numbered(i, 20)).expect("unlink"));
        fs.rmdir(root, b"d").expect("rmdir");
        fs.unlink(root, b"large").expect("unlink");
        let growth = empty.free_blocks - fs.statfs().free_blocks;
        assert!(
            growth <= 2,
            "the root may have grown, nothing else: {growth}"
        );
        fs.sync().expect("sync");
        check(&store);
    }
}

/// Makes empty files until that is refused; how many there are, and why no more.
fn create_until_refused(
    fs: &mut Mounted,
    directory: u32,
    name_bytes: usize,
) -> (u32, Error<StoreError>) {
    let mut made = 0;
    loop {
        match fs.create(directory, &numbered(made, name_bytes), PLAIN) {
            Ok(_) => made += 1,
            Err(error) => return (made, error),
        }
    }
}

fn numbered(number: u32, name_bytes: usize) -> Vec<u8> {
    format!("{number:0>name_bytes$}").into_bytes()
}

#[test]
fn every_operation_survives_every_amount_of_free_space() {
    for free in 0..12 {
        let store = MemoryStore::new(mke2fs(&["-b", "1024", "-N", "64"], 1024));
        let mut fs = mount(&store);
        let root = fs.root();
        let filler = fs.create(root, b"filler", PLAIN).expect("create");
        let mut size = 0;
        while fs.write(filler, size, &[1; 1024]).is_ok() {
            size += 1024;
        }
        fs.truncate(filler, size - free * 1024).expect("truncate");
        let file = fs.create(root, b"f", PLAIN).expect("create");
        for offset in [0, 12 << 10, 268 << 10, 65_804 << 10] {
            let _ = fs.write(file, offset, &[2; 1500]);
            fs.sync().expect("sync");
            check(&store);
        }
        let _ = fs.mkdir(root, b"d", PLAIN);
        let _ = fs.symlink(root, b"l", &[b'x'; 90], PLAIN);
        let _ = fs.rename(root, b"f", root, &[b'r'; 250]);
        fs.sync().expect("sync");
        check(&store);
    }
}

#[test]
fn a_file_of_64_mib_is_written_and_read_in_long_transfers() {
    let store = MemoryStore::new(empty_image(4096, 80 * 1024));
    let mut fs = mount(&store);
    let root = fs.root();
    let inode = fs.create(root, b"large", PLAIN).expect("create");
    let bytes = pattern(64 << 20, 5);
    store.control.writes.set(0);
    for (i, piece) in bytes.chunks(1 << 20).enumerate() {
        assert_eq!(fs.write(inode, (i as u64) << 20, piece), Ok(piece.len()));
    }
    fs.sync().expect("sync");
    let writes = store.control.writes.get();
    assert!(writes < 200, "{writes} transfers for 64 MiB");
    store.control.reads.set(0);
    let mut back = vec![0; bytes.len()];
    assert_eq!(fs.read(inode, 0, &mut back), Ok(bytes.len()));
    assert!(back == bytes);
    let reads = store.control.reads.get();
    assert!(reads < 100, "{reads} transfers for 64 MiB");
    check(&store);
    assert!(debugfs(&store, "cat large") == bytes);
    fs.unlink(root, b"large").expect("unlink");
    fs.sync().expect("sync");
    check(&store);
}

#[test]
fn small_sequential_pieces_are_gathered() {
    let store = MemoryStore::new(empty_image(1024, 32 * 1024));
    let options = MountOptions {
        read_only: false,
        cache_bytes: 1 << 20,
    };
    let mut fs = mount_with(&store, options);
    let root = fs.root();
    let inode = fs.create(root, b"f", PLAIN).expect("create");
    let bytes = pattern(8 << 20, 5);
    for (i, piece) in bytes.chunks(4096).enumerate() {
        assert_eq!(fs.write(inode, i as u64 * 4096, piece), Ok(4096));
    }
    fs.sync().expect("sync");
    assert!(
        store.control.writes.get() < 120,
        "{} writes",
        store.control.writes.get()
    );
    let mut fs = mount_with(&store, options);
    store.control.reads.set(0);
    let mut back = vec![0; 4096];
    for (i, piece) in bytes.chunks(4096).enumerate() {
        assert_eq!(fs.read(inode, i as u64 * 4096, &mut back), Ok(4096));
        assert!(back == piece);
    }
    assert!(
        store.control.reads.get() < 200,
        "{} reads",
        store.control.reads.get()
    );
}

#[test]
fn ten_thousand_files_in_one_directory() {
    let store = MemoryStore::new(mke2fs(&["-b", "1024", "-N", "12000"], 24 * 1024));
    let mut fs = mount(&store);
    let root = fs.root();
    let start = Instant::now();
    let directory = fs.mkdir(root, b"many", PLAIN).expect("mkdir");
    for i in 0..10_000 {
        let inode = fs
            .create(directory, format!("file-{i}").as_bytes(), PLAIN)
            .expect("create");
        fs.write(inode, 0, format!("contents of {i}").as_bytes())
            .expect("write");
    }
    fs.sync().expect("sync");
    assert_eq!(list(&mut fs, directory).len(), 10_002);
    for i in (0..10_000).rev() {
        let inode = fs
            .lookup(directory, format!("file-{i}").as_bytes())
            .expect("lookup");
        assert_eq!(
            contents(&mut fs, inode),
            format!("contents of {i}").as_bytes()
        );
    }
    check(&store);
    for i in 0..10_000 {
        fs.unlink(directory, format!("file-{i}").as_bytes())
            .expect("unlink");
    }
    fs.rmdir(root, b"many").expect("rmdir");
    fs.sync().expect("sync");
    check(&store);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}
