//! The interface over a real image, and over a device that fails or dies.

#![forbid(unsafe_code)]

mod support;

use std::sync::atomic::Ordering;

use ext2::MountError;
use ext2fs::disk::{Disk, DiskError};
use interfaces::files::{
    Appended, DirectoryEntry, FileError, FileKind, FileName, FileSystem, Inode, NAME_MAX,
};
use support::{Fault, Medium, NOW_S, check, image, mount};

/// The answer of a file system that is alive.
fn alive<T>(answer: exchange::RpcResult<T>) -> T {
    answer.expect("the file system is in this domain")
}

fn done<T>(answer: exchange::RpcResult<Result<T, FileError>>) -> T {
    alive(answer).expect("it works")
}

const NO_ENTRY: DirectoryEntry = DirectoryEntry {
    inode: Inode(0),
    kind: FileKind::Regular as u32,
    name: FileName {
        length: 0,
        bytes: [0; NAME_MAX],
    },
    next: 0,
};

fn list(files: &dyn FileSystem, directory: Inode) -> Vec<(String, FileKind)> {
    let mut found = Vec::new();
    let mut cookie = 0;
    loop {
        let mut entries = [NO_ENTRY; 3];
        let count = done(files.read_directory(directory, cookie, &mut entries)) as usize;
        for entry in &entries[..count] {
            let name = &entry.name.bytes[..entry.name.length as usize];
            found.push((
                String::from_utf8_lossy(name).into_owned(),
                FileKind::from_number(entry.kind).expect("a kind"),
            ));
            cookie = entry.next;
        }
        if count == 0 {
            found.sort_by(|a, b| a.0.cmp(&b.0));
            return found;
        }
    }
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index * 31 % 253) as u8).collect()
}

#[test]
fn every_operation_does_what_its_name_says() {
    let medium = Medium::new(image(&[], 4096));
    let files = mount(medium.drive(), false);
    let root = done(files.root());
    let home = done(files.make_directory(root, b"home", 0o755));
    let file = done(files.create(home, b"file", 0o640));
    let data = pattern(100_000);
    assert_eq!(done(files.write(file, 0, &data)), 100_000);
    let appended = Appended {
        bytes: 3,
        end: 100_003,
    };
    assert_eq!(done(files.append(file, b"end")), appended);
    let mut back = vec![0; 200_000];
    assert_eq!(done(files.read(file, 0, &mut back)), 100_003);
    assert_eq!(&back[..100_000], data);
    assert_eq!(&back[100_000..100_003], b"end");
    let known = done(files.attributes(file));
    assert_eq!(
        (known.kind, known.mode, known.size),
        (FileKind::Regular, 0o640, 100_003)
    );
    assert_eq!((known.links, known.modified_s), (1, NOW_S));
    done(files.link(file, root, b"other"));
    let link = done(files.symlink(root, b"way", b"home/file"));
    let mut target = [0; 4];
    assert_eq!(done(files.read_link(link, &mut target)), 9);
    assert_eq!(&target, b"home");
    done(files.rename(home, b"file", root, b"moved"));
    done(files.set_mode(file, 0o600));
    done(files.set_times(file, -7, i64::MAX));
    let known = done(files.attributes(file));
    assert_eq!((known.links, known.mode, known.accessed_s), (2, 0o600, -7));
    // The last second that an inode of 256 bytes can have.
    assert_eq!(known.modified_s, 15_032_385_535);
    done(files.truncate(file, 10));
    assert_eq!(done(files.read(file, 0, &mut back)), 10);
    let names = list(&files, root);
    let names: Vec<_> = names
        .iter()
        .map(|(name, kind)| (name.as_str(), *kind))
        .collect();
    let expected = [
        (".", FileKind::Directory),
        ("..", FileKind::Directory),
        ("home", FileKind::Directory),
        ("lost+found", FileKind::Directory),
        ("moved", FileKind::Regular),
        ("other", FileKind::Regular),
        ("way", FileKind::Symlink),
    ];
    assert_eq!(names, expected);
    done(files.retain(file));
    done(files.unlink(root, b"moved"));
    done(files.unlink(root, b"other"));
    assert_eq!(done(files.read(file, 0, &mut back)), 10);
    done(files.release(file));
    assert_eq!(
        alive(files.read(file, 0, &mut back)),
        Err(FileError::NotFound)
    );
    done(files.remove_directory(root, b"home"));
    let status = done(files.status());
    assert!(status.free_blocks > 0 && status.free_blocks < status.blocks);
    done(files.sync());
    assert!(
        medium.longest.load(Ordering::SeqCst) <= 16 * 512,
        "longest transfer"
    );
    check(&medium);
}

#[test]
fn kinds_are_right_without_the_feature_filetype() {
    let medium = Medium::new(image(&["-O", "^filetype"], 1024));
    let files = mount(medium.drive(), false);
    let root = done(files.root());
    done(files.symlink(root, b"s", b"target"));
    done(files.create(root, b"f", 0o644));
    let names = list(&files, root);
    assert!(names.contains(&("s".into(), FileKind::Symlink)));
    assert!(names.contains(&("f".into(), FileKind::Regular)));
    assert!(names.contains(&("lost+found".into(), FileKind::Directory)));
}

#[test]
fn errors_have_their_names() {
    let medium = Medium::new(image(&[], 1024));
    let files = mount(medium.drive(), false);
    let root = done(files.root());
    let file = done(files.create(root, b"f", 0o644));
    let answers = [
        (
            alive(files.lookup(root, b"none")).err(),
            FileError::NotFound,
        ),
        (
            alive(files.lookup(file, b"x")).err(),
            FileError::NotDirectory,
        ),
        (
            alive(files.lookup(Inode(1 << 32), b"x")).err(),
            FileError::NotFound,
        ),
        (alive(files.create(root, b"f", 0)).err(), FileError::Exists),
        (
            alive(files.create(root, b"a/b", 0)).err(),
            FileError::BadName,
        ),
        (
            alive(files.create(root, &[b'n'; 256], 0)).err(),
            FileError::BadName,
        ),
        (
            alive(files.read(root, 0, &mut [0])).err(),
            FileError::IsDirectory,
        ),
        (
            alive(files.read_link(file, &mut [0])).err(),
            FileError::Invalid,
        ),
        (
            alive(files.truncate(file, u64::MAX)).err(),
            FileError::TooLarge,
        ),
        (alive(files.release(file)).err(), FileError::NotFound),
    ];
    for (answer, expected) in answers {
        assert_eq!(answer, Some(expected));
    }
    let read_only = mount(medium.drive(), true);
    assert_eq!(
        alive(read_only.create(root, b"g", 0)),
        Err(FileError::ReadOnly)
    );
}

#[test]
fn a_failing_device_is_an_error_and_works_again() {
    let medium = Medium::new(image(&[], 2048));
    let files = mount(medium.drive(), false);
    let root = done(files.root());
    let file = done(files.create(root, b"f", 0o644));
    let data = pattern(50_000);
    assert_eq!(done(files.write(file, 0, &data)), 50_000);
    done(files.sync());
    medium.inject(Fault::Error);
    let mut back = vec![0; 50_000];
    assert_eq!(alive(files.read(file, 0, &mut back)), Err(FileError::Io));
    medium.inject(Fault::None);
    assert_eq!(done(files.read(file, 0, &mut back)), 50_000);
    assert_eq!(back, data);
    check(&medium);
}

#[test]
fn a_failed_write_back_loses_nothing() {
    let medium = Medium::new(image(&[], 2048));
    let disk = Disk::new(medium.drive()).expect("alive");
    let mounted = ext2::Ext2::mount(disk, || NOW_S, ext2::MountOptions::default());
    let files = ext2fs::files::Files::new(mounted.expect("mounts"), None);
    let root = done(files.root());
    let file = done(files.create(root, b"f", 0o644));
    assert_eq!(done(files.write(file, 0, b"precious")), 8);
    medium.inject(Fault::WriteError);
    assert_eq!(files.write_back(), Err(FileError::Io));
    assert_eq!(alive(files.sync()), Err(FileError::Io));
    medium.inject(Fault::None);
    assert_eq!(files.write_back(), Ok(()));
    check(&medium);
    let again = mount(medium.drive(), true);
    let file = done(again.lookup(root, b"f"));
    let mut back = [0; 8];
    assert_eq!(done(again.read(file, 0, &mut back)), 8);
    assert_eq!(&back, b"precious");
}

#[test]
fn the_death_of_the_driver_is_an_input_output_error() {
    let medium = Medium::new(image(&[], 2048));
    let files = mount(medium.drive(), false);
    let root = done(files.root());
    let file = done(files.create(root, b"f", 0o644));
    assert_eq!(done(files.write(file, 0, &pattern(30_000))), 30_000);
    done(files.sync());
    medium.inject(Fault::Death);
    let mut back = vec![0; 30_000];
    assert_eq!(alive(files.read(file, 0, &mut back)), Err(FileError::Io));
    medium.inject(Fault::None);
    // Dead is dead; the file system stays, and says so each time.
    assert_eq!(alive(files.read(file, 0, &mut back)), Err(FileError::Io));
    assert_eq!(
        alive(files.write(file, 0, &[1; 30_000])),
        Err(FileError::Io)
    );
    // Mounted again on a new driver everything is there.
    let files = mount(medium.drive(), false);
    assert_eq!(done(files.read(file, 0, &mut back)), 30_000);
    assert_eq!(back, pattern(30_000));
}

#[test]
fn mounting_tells_a_dead_driver_from_a_bad_image() {
    let medium = Medium::new(vec![0; 1 << 20]);
    let disk = Disk::new(medium.drive()).expect("alive");
    let options = ext2::MountOptions::default();
    let refusal = ext2::Ext2::mount(disk, || NOW_S, options).err();
    assert!(matches!(refusal, Some(MountError::NotExt2)));
    let disk = Disk::new(medium.drive()).expect("alive");
    medium.inject(Fault::Death);
    let refusal = ext2::Ext2::mount(disk, || NOW_S, options).err();
    assert!(matches!(
        refusal,
        Some(MountError::Io(DiskError::Driver(_)))
    ));
}
