//! Every operation on images of each block size, each followed by e2fsck.

#![forbid(unsafe_code)]

mod support;

use std::ops::ControlFlow;

use ext2::{Corruption, Error, Ext2, FileKind, MountError, MountOptions};
use support::*;

const BLOCK_SIZES: [u32; 3] = [1024, 2048, 4096];

#[track_caller]
fn sync_and_check(fs: &mut Mounted, store: &MemoryStore) {
    fs.sync().expect("sync");
    check(store);
}

#[test]
fn files_of_all_sizes_hold_what_was_written() {
    for block_bytes in BLOCK_SIZES {
        let store = MemoryStore::new(empty_image(block_bytes, 16 * 1024));
        let mut fs = mount(&store);
        let root = fs.root();
        let b = block_bytes as usize;
        let sizes = [
            0,
            1,
            b - 1,
            b,
            b + 1,
            12 * b,
            12 * b + 1,
            270 * b + 7,
            1_500_000,
        ];
        for (i, size) in sizes.into_iter().enumerate() {
            let name = format!("file{i}");
            let inode = fs.create(root, name.as_bytes(), PLAIN).expect("create");
            let bytes = pattern(size, i as u32);
            assert_eq!(fs.write(inode, 0, &bytes), Ok(size));
            assert!(contents(&mut fs, inode) == bytes);
            sync_and_check(&mut fs, &store);
            assert!(
                debugfs(&store, &format!("cat {name}")) == bytes,
                "{name} of {size}"
            );
        }
        let mut fs = mount(&store);
        for (i, size) in sizes.into_iter().enumerate() {
            let inode = fs
                .lookup(root, format!("file{i}").as_bytes())
                .expect("lookup");
            assert!(contents(&mut fs, inode) == pattern(size, i as u32));
        }
    }
}

#[test]
fn small_and_unaligned_pieces_add_up() {
    let store = MemoryStore::new(empty_image(1024, 16 * 1024));
    let options = MountOptions {
        read_only: false,
        cache_bytes: 64 * 1024,
    };
    let mut fs = mount_with(&store, options);
    let root = fs.root();
    let inode = fs.create(root, b"f", PLAIN).expect("create");
    let bytes = pattern(700_000, 3);
    let mut random = Random(9);
    let mut done = 0;
    while done < bytes.len() {
        let length = (1 + random.below(20_000) as usize).min(bytes.len() - done);
        assert_eq!(
            fs.write(inode, done as u64, &bytes[done..done + length]),
            Ok(length)
        );
        done += length;
    }
    let mut back = Vec::new();
    while back.len() < bytes.len() {
        let mut piece = vec![0; 1 + random.below(9_000) as usize];
        let length = fs.read(inode, back.len() as u64, &mut piece).expect("read");
        back.extend_from_slice(&piece[..length]);
    }
    assert!(back == bytes);
    assert_eq!(fs.read(inode, 700_000, &mut [0; 10]), Ok(0));
    assert_eq!(fs.read(inode, u64::MAX, &mut [0; 10]), Ok(0));
    sync_and_check(&mut fs, &store);
}

#[test]
fn holes_read_as_zeros_and_the_end_of_the_map_is_reached() {
    for block_bytes in BLOCK_SIZES {
        let store = MemoryStore::new(empty_image(block_bytes, 8 * 1024));
        let mut fs = mount(&store);
        let root = fs.root();
        let limit = fs.statfs().max_file_bytes;
        let inode = fs.create(root, b"sparse", PLAIN).expect("create");
        for offset in [5_000, 300 * 1024, 70 << 20, limit - 3] {
            assert_eq!(fs.write(inode, offset, b"end"), Ok(3), "at {offset}");
            let mut around = [0xAA; 7];
            assert_eq!(fs.read(inode, offset - 4, &mut around), Ok(7));
            assert_eq!(&around, b"\0\0\0\0end");
        }
        assert_eq!(fs.write(inode, limit - 1, b"xy"), Ok(1));
        assert_eq!(fs.write(inode, limit, b"x"), Err(Error::FileTooLarge));
        assert_eq!(fs.truncate(inode, limit + 1), Err(Error::FileTooLarge));
        sync_and_check(&mut fs, &store);
        let free = fs.statfs().free_blocks;
        fs.truncate(inode, 5_003).expect("truncate");
        assert!(fs.statfs().free_blocks > free);
        let mut all = vec![0; 5_000];
        all.extend_from_slice(b"end");
        assert_eq!(contents(&mut fs, inode), all);
        sync_and_check(&mut fs, &store);
    }
}

#[test]
fn truncation_never_reveals_old_bytes() {
    let store = MemoryStore::new(empty_image(1024, 8 * 1024));
    let mut fs = mount(&store);
    let root = fs.root();
    let inode = fs.create(root, b"f", PLAIN).expect("create");
    fs.write(inode, 0, &[0xFF; 100_000]).expect("write");
    fs.truncate(inode, 50_123).expect("shrink");
    fs.truncate(inode, 90_000).expect("grow");
    let bytes = contents(&mut fs, inode);
    assert!(bytes[..50_123].iter().all(|byte| *byte == 0xFF));
    assert!(bytes[50_123..].iter().all(|byte| *byte == 0));
    sync_and_check(&mut fs, &store);
    fs.truncate(inode, 0).expect("empty");
    assert_eq!(fs.stat(inode).expect("stat").sectors_512, 0);
    sync_and_check(&mut fs, &store);
}

#[test]
fn directories_links_and_symbolic_links() {
    for block_bytes in BLOCK_SIZES {
        let store = MemoryStore::new(empty_image(block_bytes, 8 * 1024));
        let mut fs = mount(&store);
        let root = fs.root();
        let a = fs.mkdir(root, b"a", PLAIN).expect("mkdir");
        let b = fs.mkdir(a, b"b", PLAIN).expect("mkdir");
        assert_eq!(fs.stat(a).expect("stat").links, 3);
        assert_eq!(fs.lookup(b, b".."), Ok(a));
        assert_eq!(fs.lookup(b, b"."), Ok(b));
        assert_eq!(fs.mkdir(root, b"a", PLAIN), Err(Error::Exists));
        assert_eq!(fs.rmdir(root, b"a"), Err(Error::NotEmpty));
        assert_eq!(fs.unlink(root, b"a"), Err(Error::IsDirectory));
        let file = fs.create(b, b"file", PLAIN).expect("create");
        assert_eq!(fs.rmdir(b, b"file"), Err(Error::NotDirectory));
        assert_eq!(fs.lookup(file, b"x"), Err(Error::NotDirectory));
        fs.link(file, root, b"other").expect("link");
        assert_eq!(fs.link(file, root, b"other"), Err(Error::Exists));
        assert_eq!(fs.link(a, root, b"dir"), Err(Error::IsDirectory));
        assert_eq!(fs.stat(file).expect("stat").links, 2);
        sync_and_check(&mut fs, &store);
        fs.unlink(b, b"file").expect("unlink");
        assert_eq!(fs.lookup(root, b"other"), Ok(file));
        for length in [1, 59, 60, 61, block_bytes as usize - 1] {
            let target = vec![b't'; length];
            let name = format!("link{length}");
            let link = fs
                .symlink(root, name.as_bytes(), &target, PLAIN)
                .expect("symlink");
            assert_eq!(fs.readlink(link), Ok(target));
            assert_eq!(fs.stat(link).expect("stat").kind, FileKind::Symlink);
        }
        let long = vec![b't'; block_bytes as usize];
        assert_eq!(
            fs.symlink(root, b"long", &long, PLAIN),
            Err(Error::NameTooLong)
        );
        assert_eq!(fs.readlink(file), Err(Error::NotSymlink));
        sync_and_check(&mut fs, &store);
        fs.rmdir(a, b"b").expect("rmdir");
        fs.rmdir(root, b"a").expect("rmdir");
        for length in [1, 59, 60, 61, block_bytes as usize - 1] {
            fs.unlink(root, format!("link{length}").as_bytes())
                .expect("unlink");
        }
        fs.unlink(root, b"other").expect("unlink");
        assert_eq!(fs.stat(file), Err(Error::NotFound));
        assert_eq!(list(&mut fs, root).len(), 3, "dot, dot-dot, lost+found");
        sync_and_check(&mut fs, &store);
    }
}

#[test]
fn names_are_checked() {
    let store = MemoryStore::new(empty_image(1024, 1024));
    let mut fs = mount(&store);
    let root = fs.root();
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0b"] {
        assert_eq!(fs.create(root, name, PLAIN), Err(Error::InvalidName));
        assert_eq!(fs.unlink(root, name), Err(Error::InvalidName));
    }
    assert_eq!(
        fs.create(root, &[b'n'; 256], PLAIN),
        Err(Error::NameTooLong)
    );
    let inode = fs
        .create(root, &[b'n'; 255], PLAIN)
        .expect("the longest name");
    assert_eq!(fs.lookup(root, &[b'n'; 255]), Ok(inode));
    for inode in [0, 1, 3, 10, 9_999_999, u32::MAX] {
        assert_eq!(fs.stat(inode), Err(Error::NotFound));
    }
    sync_and_check(&mut fs, &store);
}

#[test]
fn rename_follows_posix() {
    let store = MemoryStore::new(empty_image(1024, 4096));
    let mut fs = mount(&store);
    let root = fs.root();
    let a = fs.mkdir(root, b"a", PLAIN).expect("mkdir");
    let b = fs.mkdir(root, b"b", PLAIN).expect("mkdir");
    let sub = fs.mkdir(a, b"sub", PLAIN).expect("mkdir");
    let file = fs.create(a, b"file", PLAIN).expect("create");
    let other = fs.create(b, b"other", PLAIN).expect("create");
    assert_eq!(fs.rename(root, b"a", sub, b"x"), Err(Error::IntoItself));
    assert_eq!(fs.rename(root, b"a", a, b"x"), Err(Error::IntoItself));
    assert_eq!(fs.rename(a, b"file", root, b"b"), Err(Error::IsDirectory));
    assert_eq!(fs.rename(a, b"sub", b, b"other"), Err(Error::NotDirectory));
    assert_eq!(fs.rename(a, b"sub", root, b"b"), Err(Error::NotEmpty));
    assert_eq!(fs.rename(a, b"none", b, b"x"), Err(Error::NotFound));
    fs.rename(a, b"file", a, b"renamed")
        .expect("in one directory");
    fs.rename(a, b"renamed", b, b"other").expect("over a file");
    assert_eq!(fs.lookup(b, b"other"), Ok(file));
    assert_eq!(fs.stat(other), Err(Error::NotFound));
    sync_and_check(&mut fs, &store);
    fs.rename(a, b"sub", b, b"moved")
        .expect("a directory to another parent");
    assert_eq!(fs.lookup(sub, b".."), Ok(b));
    assert_eq!(
        (fs.stat(a).unwrap().links, fs.stat(b).unwrap().links),
        (2, 3)
    );
    sync_and_check(&mut fs, &store);
    fs.rename(root, b"a", b, b"moved")
        .expect("over an empty directory");
    assert_eq!(fs.stat(sub), Err(Error::NotFound));
    assert_eq!(fs.lookup(a, b".."), Ok(b));
    sync_and_check(&mut fs, &store);
    fs.link(file, root, b"twin").expect("link");
    fs.rename(root, b"twin", b, b"other")
        .expect("two names of one file");
    assert_eq!(fs.lookup(root, b"twin"), Ok(file));
    fs.rename(b, b"moved", b, b"moved").expect("onto itself");
    fs.rename(b, b"moved", root, b"back").expect("back");
    sync_and_check(&mut fs, &store);
}

#[test]
fn attributes_are_kept() {
    let store = MemoryStore::new(empty_image(4096, 8192));
    let mut fs = mount(&store);
    let root = fs.root();
    let owned = ext2::Attributes {
        permissions: 0o4751,
        uid: 70_000,
        gid: 80_000,
    };
    let file = fs.create(root, b"f", owned).expect("create");
    fs.set_times(file, Some(5), Some(4_000_000_000))
        .expect("set times");
    fs.set_permissions(file, 0o600).expect("set permissions");
    let stat = fs.stat(file).expect("stat");
    assert_eq!(
        (stat.uid, stat.gid, stat.permissions),
        (70_000, 80_000, 0o600)
    );
    assert_eq!(
        (stat.atime_s, stat.mtime_s, stat.ctime_s),
        (5, 4_000_000_000, NOW_S)
    );
    sync_and_check(&mut fs, &store);
    assert_eq!(mount(&store).stat(file), Ok(stat));
}

#[test]
fn times_are_what_other_tools_see() {
    for (inode_bytes, late_s, late) in [
        ("128", 2_147_483_647, "2038"),
        ("256", 15_032_385_535, "2446"),
    ] {
        let store = MemoryStore::new(mke2fs(&["-b", "1024", "-I", inode_bytes], 8192));
        let mut fs = mount(&store);
        let root = fs.root();
        let file = fs.create(root, b"f", PLAIN).expect("create");
        fs.set_times(file, Some(-315_619_200), Some(15_032_385_535))
            .expect("set times");
        let stat = fs.stat(file).expect("stat");
        assert_eq!((stat.atime_s, stat.mtime_s), (-315_619_200, late_s));
        sync_and_check(&mut fs, &store);
        let seen = debugfs(&store, "stat /f");
        let seen = String::from_utf8_lossy(&seen);
        for (name, year) in [("atime", "1960"), ("mtime", late), ("ctime", "2023")] {
            let line = seen.lines().find(|line| line.contains(name));
            assert!(line.is_some_and(|line| line.contains(year)), "{seen}");
        }
    }
}

#[test]
fn nothing_is_made_in_a_directory_that_was_removed() {
    let store = MemoryStore::new(empty_image(1024, 8192));
    let mut fs = mount(&store);
    let root = fs.root();
    let gone = fs.mkdir(root, b"gone", PLAIN).expect("mkdir");
    let file = fs.create(root, b"f", PLAIN).expect("create");
    fs.retain(gone).expect("retain");
    fs.rmdir(root, b"gone").expect("rmdir");
    assert_eq!(fs.create(gone, b"x", PLAIN), Err(Error::NotFound));
    assert_eq!(fs.mkdir(gone, b"x", PLAIN), Err(Error::NotFound));
    assert_eq!(fs.symlink(gone, b"x", b"y", PLAIN), Err(Error::NotFound));
    assert_eq!(fs.link(file, gone, b"x"), Err(Error::NotFound));
    assert_eq!(fs.rename(root, b"f", gone, b"x"), Err(Error::NotFound));
    assert_eq!(fs.lookup(gone, b".."), Err(Error::NotFound));
    fs.release(gone).expect("release");
    sync_and_check(&mut fs, &store);
}

#[test]
fn listing_continues_while_entries_go() {
    let store = MemoryStore::new(empty_image(1024, 8192));
    let mut fs = mount(&store);
    let root = fs.root();
    let directory = fs.mkdir(root, b"d", PLAIN).expect("mkdir");
    for i in 0..500 {
        fs.create(directory, format!("file-{i}").as_bytes(), PLAIN)
            .expect("create");
    }
    let (mut cookie, mut seen) = (0, Vec::new());
    loop {
        let mut batch = Vec::new();
        fs.read_dir(directory, cookie, |entry| {
            cookie = entry.cookie;
            if batch.len() == 7 {
                return ControlFlow::Break(());
            }
            cookie = entry.next_cookie;
            batch.push(entry.name.to_vec());
            ControlFlow::Continue(())
        })
        .expect("a listing");
        if batch.is_empty() {
            break;
        }
        for name in batch.iter().filter(|name| name.starts_with(b"file")) {
            fs.unlink(directory, name).expect("unlink");
        }
        seen.extend(batch);
    }
    assert_eq!(seen.len(), 502);
    fs.rmdir(root, b"d").expect("an empty directory");
    sync_and_check(&mut fs, &store);
}

#[test]
fn an_unlinked_file_lives_while_retained() {
    let store = MemoryStore::new(empty_image(1024, 8192));
    let mut fs = mount(&store);
    let root = fs.root();
    let before = fs.statfs();
    let inodes: Vec<u32> = (0..4)
        .map(|i| {
            let inode = fs
                .create(root, format!("f{i}").as_bytes(), PLAIN)
                .expect("create");
            fs.write(inode, 0, &pattern(50_000, i)).expect("write");
            fs.retain(inode).expect("retain");
            fs.unlink(root, format!("f{i}").as_bytes()).expect("unlink");
            inode
        })
        .collect();
    fs.sync().expect("sync");
    assert!(contents(&mut fs, inodes[2]) == pattern(50_000, 2));
    assert_eq!(fs.write(inodes[2], 50_000, b"more"), Ok(4));
    fs.release(inodes[1]).expect("from the middle of the list");
    fs.release(inodes[3]).expect("the newest");
    assert_eq!(fs.stat(inodes[1]), Err(Error::NotFound));
    fs.sync().expect("sync");
    // A crash: what is still retained must go at the next mount.
    drop(fs);
    let crashed = MemoryStore::new(store.bytes.borrow().clone());
    let (status, text) = e2fsck(&crashed, "-fy");
    assert!(status <= 1, "e2fsck accepts the orphan list: {text}");
    let mut fs = mount(&store);
    assert_eq!(fs.stat(inodes[0]), Err(Error::NotFound));
    sync_and_check(&mut fs, &store);
    assert_eq!(fs.statfs(), before);
}

#[test]
fn a_removed_directory_stays_empty_while_retained() {
    let store = MemoryStore::new(empty_image(1024, 4096));
    let mut fs = mount(&store);
    let root = fs.root();
    let directory = fs.mkdir(root, b"d", PLAIN).expect("mkdir");
    fs.retain(directory).expect("retain");
    fs.rmdir(root, b"d").expect("rmdir");
    assert_eq!(fs.create(directory, b"x", PLAIN), Err(Error::NotFound));
    assert_eq!(list(&mut fs, directory), []);
    fs.unmount()
        .map_err(|(_, error)| error)
        .expect("unmount releases what is retained");
    check(&store);
}

#[test]
fn a_populated_image_reads_and_changes() {
    let tree = Scratch::new("-tree");
    std::fs::create_dir_all(tree.0.join("bin/deep")).expect("a tree");
    for i in 0..300 {
        let name = format!("bin/file-with-a-long-name-{i}");
        std::fs::write(tree.0.join(name), pattern(i * 37, i as u32)).expect("a file");
    }
    std::fs::write(tree.0.join("large"), pattern(3_000_000, 7)).expect("a file");
    std::os::unix::fs::symlink("bin/deep", tree.0.join("short")).expect("a link");
    std::os::unix::fs::symlink("x".repeat(200), tree.0.join("long")).expect("a link");
    let path = tree.0.to_str().expect("a readable path");
    for block_bytes in ["1024", "2048", "4096"] {
        let store = MemoryStore::new(mke2fs(&["-b", block_bytes, "-d", path], 16 * 1024));
        // The hash tree that e2fsck -D builds must be ignored, and dropped on change.
        let (status, text) = e2fsck(&store, "-fyD");
        assert!(status <= 1, "{text}");
        let mut fs = mount(&store);
        let root = fs.root();
        let bin = fs.lookup(root, b"bin").expect("bin");
        for i in 0..300 {
            let name = format!("file-with-a-long-name-{i}");
            let inode = fs.lookup(bin, name.as_bytes()).expect("a file");
            assert!(contents(&mut fs, inode) == pattern(i * 37, i as u32));
        }
        assert_eq!(list(&mut fs, bin).len(), 303);
        let large = fs.lookup(root, b"large").expect("large");
        assert!(contents(&mut fs, large) == pattern(3_000_000, 7));
        let short = fs.lookup(root, b"short").expect("short");
        assert_eq!(fs.readlink(short), Ok(b"bin/deep".to_vec()));
        let long = fs.lookup(root, b"long").expect("long");
        assert_eq!(fs.readlink(long), Ok(vec![b'x'; 200]));
        fs.create(bin, b"new", PLAIN).expect("create");
        fs.unlink(bin, b"file-with-a-long-name-7").expect("unlink");
        fs.unlink(root, b"large").expect("unlink");
        fs.unlink(root, b"long").expect("unlink");
        sync_and_check(&mut fs, &store);
    }
}

#[test]
fn features_are_refused_by_name() {
    let refuse = |arguments: &[&str], read_only| {
        let store = MemoryStore::new(mke2fs(arguments, 8192));
        let options = MountOptions {
            read_only,
            ..MountOptions::default()
        };
        let mounted = Ext2::mount(store, clock(), options);
        match mounted.map(|_| ()) {
            Err(MountError::Incompatible(features)) => format!("incompatible: {features}"),
            Err(MountError::WritingUnsupported(features)) => format!("writing: {features}"),
            other => format!("{other:?}"),
        }
    };
    let extent = ["-O", "extent,flex_bg"];
    assert_eq!(refuse(&extent, true), "incompatible: extent, flex_bg");
    assert_eq!(
        refuse(&["-O", "64bit,extent"], true),
        "incompatible: extent, 64bit"
    );
    assert_eq!(
        refuse(&["-O", "huge_file,extra_isize"], false),
        "writing: huge_file, extra_isize"
    );
    assert_eq!(refuse(&["-O", "huge_file,extra_isize"], true), "Ok(())");
    assert_eq!(refuse(&["-r", "0"], true), "Err(Revision(0))");
    assert_eq!(refuse(&["-O", "has_journal"], false), "Ok(())");
}

#[test]
fn other_layouts_mount_and_stay_sound() {
    let layouts: [&[&str]; 6] = [
        &["-b", "1024", "-I", "128"],
        &["-b", "4096", "-I", "512"],
        &["-b", "1024", "-O", "^filetype"],
        &["-b", "1024", "-O", "^sparse_super,^resize_inode"],
        &["-b", "1024", "-g", "1024"],
        &["-b", "1024", "-O", "^large_file,^dir_index,^ext_attr"],
    ];
    for layout in layouts {
        let store = MemoryStore::new(mke2fs(layout, 20_000));
        let mut fs = mount(&store);
        let root = fs.root();
        let directory = fs.mkdir(root, b"d", PLAIN).expect("mkdir");
        for i in 0..100 {
            let inode = fs
                .create(directory, format!("f{i}").as_bytes(), PLAIN)
                .expect("create");
            fs.write(inode, 0, &pattern(i * 400, 1)).expect("write");
        }
        let large = fs.create(root, b"large", PLAIN).expect("create");
        fs.write(large, 0, &pattern(5_000_000, 1)).expect("write");
        fs.truncate(large, 3 << 30).expect("truncate");
        sync_and_check(&mut fs, &store);
        fs.rename(root, b"d", root, b"e").expect("rename");
        for i in 0..100 {
            fs.unlink(directory, format!("f{i}").as_bytes())
                .expect("unlink");
        }
        fs.unlink(root, b"large").expect("unlink");
        sync_and_check(&mut fs, &store);
    }
}

#[test]
fn the_store_must_fit() {
    let bytes = empty_image(1024, 4096);
    let error = |store: MemoryStore| {
        Ext2::mount(store, clock(), MountOptions::default())
            .map(|_| ())
            .expect_err("no mount")
    };
    let short = MemoryStore::new(bytes[..2 << 20].to_vec());
    assert_eq!(error(short), MountError::Corrupt(Corruption::Geometry));
    assert_eq!(
        error(MemoryStore::new(vec![0; 1 << 20])),
        MountError::NotExt2
    );
    assert_eq!(error(MemoryStore::new(vec![0; 512])), MountError::NotExt2);
    let mut wide = MemoryStore::new(bytes);
    wide.sector_bytes = 4096;
    let expected = MountError::SectorSize {
        sector_bytes: 4096,
        block_bytes: 1024,
    };
    assert_eq!(error(wide), expected);
    let mut wide = MemoryStore::new(empty_image(4096, 4096));
    wide.sector_bytes = 4096;
    let mut fs = mount(&wide);
    let root = fs.root();
    let file = fs.create(root, b"f", PLAIN).expect("create");
    fs.write(file, 0, &pattern(100_000, 1)).expect("write");
    sync_and_check(&mut fs, &wide);
}

#[test]
fn the_state_tells_whether_all_was_written() {
    let store = MemoryStore::new(empty_image(1024, 4096));
    let state = |store: &MemoryStore| store.bytes.borrow()[1024 + 58];
    let mut fs = mount(&store);
    let root = fs.root();
    assert_eq!(state(&store), 1, "a mount alone changes nothing");
    fs.create(root, b"f", PLAIN).expect("create");
    assert_eq!(
        state(&store),
        0,
        "not clean before the first change is written"
    );
    fs.sync().expect("sync");
    assert_eq!(state(&store), 1);
    fs.unlink(root, b"f").expect("unlink");
    drop(fs);
    let mut fs = mount(&store);
    assert!(fs.statfs().is_unchecked);
    fs.create(root, b"g", PLAIN).expect("create");
    fs.sync().expect("sync");
    assert_eq!(state(&store), 0, "only e2fsck may call it clean again");
    check(&store);
    let options = MountOptions {
        read_only: true,
        ..MountOptions::default()
    };
    let mut fs = mount_with(&store, options);
    assert_eq!(fs.create(root, b"h", PLAIN), Err(Error::ReadOnly));
    assert!(fs.lookup(root, b"g").is_ok());
}

#[test]
fn extended_attributes_go_with_their_last_file() {
    let store = MemoryStore::new(mke2fs(&["-b", "1024", "-I", "128"], 4096));
    let mut fs = mount(&store);
    let root = fs.root();
    let before = fs.statfs().free_blocks;
    let file = fs.create(root, b"f", PLAIN).expect("create");
    fs.write(file, 0, b"contents").expect("write");
    fs.symlink(root, b"l", b"target", PLAIN).expect("symlink");
    fs.sync().expect("sync");
    for name in ["f", "l"] {
        debugfs_write(
            &store,
            &format!("ea_set {name} user.note {}", "v".repeat(90)),
        );
    }
    let mut fs = mount(&store);
    assert_eq!(
        fs.statfs().free_blocks,
        before - 3,
        "two blocks of attributes, one of data"
    );
    let link = fs.lookup(root, b"l").expect("the link");
    assert_eq!(
        fs.readlink(link),
        Ok(b"target".to_vec()),
        "still in the inode"
    );
    sync_and_check(&mut fs, &store);
    fs.unlink(root, b"f").expect("unlink");
    fs.unlink(root, b"l").expect("unlink");
    assert_eq!(fs.statfs().free_blocks, before);
    sync_and_check(&mut fs, &store);
}

#[test]
fn growth_hides_what_others_left_behind_the_end() {
    let store = MemoryStore::new(empty_image(1024, 1024));
    let mut fs = mount(&store);
    let root = fs.root();
    let files = [b"a", b"b"].map(|name| {
        let file = fs.create(root, name, PLAIN).expect("create");
        fs.write(file, 0, b"the whole of a short file")
            .expect("write");
        file
    });
    fs.sync().expect("sync");
    let mut image = store.bytes.borrow_mut();
    let starts: Vec<usize> = (0..image.len())
        .step_by(1024)
        .filter(|start| image[*start..].starts_with(b"the whole of a short file"))
        .collect();
    assert_eq!(starts.len(), 2);
    starts
        .into_iter()
        .for_each(|start| image[start + 25..start + 1024].fill(0xEE));
    drop(image);
    let mut fs = mount(&store);
    fs.truncate(files[0], 900).expect("truncate");
    fs.write(files[1], 800, b"far").expect("write");
    for file in files {
        assert!(
            contents(&mut fs, file)[25..800]
                .iter()
                .all(|byte| *byte == 0)
        );
    }
    sync_and_check(&mut fs, &store);
}

#[test]
fn damage_found_is_marked_for_e2fsck() {
    let store = MemoryStore::new(empty_image(1024, 1024));
    let mut fs = mount(&store);
    let root = fs.root();
    let file = fs.create(root, b"f", PLAIN).expect("create");
    fs.write(file, 0, &[1; 5_000]).expect("write");
    fs.sync().expect("sync");
    debugfs_write(&store, "set_inode_field f block[2] 3");
    let mut fs = mount(&store);
    assert!(!fs.statfs().is_damaged);
    assert_eq!(
        fs.unlink(root, b"f"),
        Err(Error::Corrupt(Corruption::BlockNumber))
    );
    assert!(fs.statfs().is_damaged);
    fs.sync().expect("sync");
    assert!(mount(&store).statfs().is_damaged, "remembered on the disk");
    let (status, text) = e2fsck(&store, "-p");
    assert!(status != 0, "e2fsck runs without being forced: {text}");
}
