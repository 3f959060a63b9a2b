//! Paths, descriptors and open files.

#![forbid(unsafe_code)]

use interfaces::files::{DirectoryEntry, FileKind, FileName, Inode, NAME_MAX};
use interfaces::process::{Errno, OpenFlags, Process, Whence};

use super::host::{Fixture, LANE};

const READ: OpenFlags = OpenFlags(OpenFlags::READ);

fn fixture() -> Fixture {
    let fixture = Fixture::new(false);
    for directory in ["/a", "/a/b", "/a/b/c", "/tmp"] {
        fixture
            .process
            .mkdir(LANE, directory.as_bytes(), 0o755)
            .unwrap()
            .unwrap();
    }
    fixture.write_file("/a/file", b"hello", 0o644);
    for (target, path) in [
        ("a/b", "/link"),
        ("/a", "/a/b/up"),
        ("loop", "/loop"),
        ("nothing", "/dangling"),
    ] {
        fixture
            .process
            .symlink(LANE, target.as_bytes(), path.as_bytes())
            .unwrap()
            .unwrap();
    }
    fixture
}

fn kind(fixture: &Fixture, path: &str) -> Result<FileKind, Errno> {
    fixture
        .process
        .stat(path.as_bytes())
        .unwrap()
        .map(|found| found.kind)
}

#[test]
fn resolution() {
    let fixture = fixture();
    let cases = [
        ("/a/file", Ok(FileKind::Regular)),
        ("//a//file", Ok(FileKind::Regular)),
        ("a/./b/../file", Ok(FileKind::Regular)),
        ("/../../a", Ok(FileKind::Directory)),
        ("/link/c", Ok(FileKind::Directory)),
        ("/link/../file", Ok(FileKind::Regular)),
        ("/link/up/file", Ok(FileKind::Regular)),
        ("/link/", Ok(FileKind::Directory)),
        ("/a/file/", Err(Errno::ENOTDIR)),
        ("/a/file/x", Err(Errno::ENOTDIR)),
        ("/a/file/.", Err(Errno::ENOTDIR)),
        ("/a/none", Err(Errno::ENOENT)),
        ("/none/x", Err(Errno::ENOENT)),
        ("", Err(Errno::ENOENT)),
        ("/loop", Err(Errno::ELOOP)),
        ("/loop/x", Err(Errno::ELOOP)),
        ("/dangling", Err(Errno::ENOENT)),
        ("/dev", Ok(FileKind::Directory)),
        ("/dev/null", Ok(FileKind::CharacterDevice)),
        ("/dev/../a", Ok(FileKind::Directory)),
        ("/dev/none", Err(Errno::ENOENT)),
        ("/dev/null/x", Err(Errno::ENOTDIR)),
    ];
    for (path, expected) in cases {
        assert_eq!(kind(&fixture, path), expected, "{path}");
    }
    assert_eq!(kind(&fixture, &"x".repeat(256)), Err(Errno::ENAMETOOLONG));
    assert_eq!(kind(&fixture, &"/a".repeat(600)), Err(Errno::ENAMETOOLONG));
    let link = fixture.process.lstat(b"/loop").unwrap().unwrap();
    assert_eq!(link.kind, FileKind::Symlink);
}

#[test]
fn working_directory() {
    let fixture = fixture();
    let process = &fixture.process;
    let current = || {
        let mut path = [0; 100];
        let length = process.getcwd(&mut path).unwrap().unwrap();
        String::from_utf8(path[..length as usize].to_vec()).unwrap()
    };
    assert_eq!(current(), "/");
    for (path, expected) in [
        ("link", "/a/b"),
        ("c/..", "/a/b"),
        ("up", "/a"),
        ("../../..", "/"),
        ("dev", "/dev"),
        ("..", "/"),
        ("a/b/", "/a/b"),
    ] {
        process.chdir(LANE, path.as_bytes()).unwrap().unwrap();
        assert_eq!(current(), expected, "{path}");
    }
    assert_eq!(
        process.chdir(LANE, b"/a/file").unwrap(),
        Err(Errno::ENOTDIR)
    );
    assert_eq!(process.getcwd(&mut [0; 2]).unwrap(), Err(Errno::ERANGE));
}

/// As `getcwd`.
fn current(fixture: &Fixture) -> Result<String, Errno> {
    let mut path = [0; 100];
    let length = fixture.process.getcwd(&mut path).unwrap()?;
    Ok(String::from_utf8(path[..length as usize].to_vec()).unwrap())
}

#[test]
fn working_directory_is_a_directory_and_no_text() {
    let fixture = fixture();
    let process = &fixture.process;
    process.chdir(LANE, b"/a/b/c").unwrap().unwrap();
    process
        .rename(LANE, b"/a/b", b"/tmp/moved")
        .unwrap()
        .unwrap();
    assert_eq!(current(&fixture), Ok("/tmp/moved/c".into()));
    process.chdir(LANE, b"..").unwrap().unwrap();
    assert_eq!(current(&fixture), Ok("/tmp/moved".into()));
    process.chdir(LANE, b"..").unwrap().unwrap();
    assert_eq!(current(&fixture), Ok("/tmp".into()));
    process.chdir(LANE, b"moved/c").unwrap().unwrap();
    process.rmdir(LANE, b"/tmp/moved/c").unwrap().unwrap();
    assert_eq!(current(&fixture), Err(Errno::ENOENT));
    assert_eq!(
        process.open(LANE, b"file", READ, 0).unwrap(),
        Err(Errno::ENOENT)
    );
    process.chdir(LANE, b"/").unwrap().unwrap();
}

#[test]
fn a_slash_behind_a_link_to_a_file() {
    let fixture = fixture();
    let process = &fixture.process;
    process.symlink(LANE, b"/a/file", b"/fl").unwrap().unwrap();
    let write = OpenFlags(OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE);
    for path in ["/fl/", "/fl//", "/fl/.", "/a/file/"] {
        let path = path.as_bytes();
        assert_eq!(
            process.open(LANE, path, write, 0o644).unwrap(),
            Err(Errno::ENOTDIR)
        );
        assert_eq!(
            process.open(LANE, path, READ, 0).unwrap(),
            Err(Errno::ENOTDIR)
        );
        assert_eq!(process.truncate(path, 0).unwrap(), Err(Errno::ENOTDIR));
        assert_eq!(process.stat(path).unwrap().err(), Some(Errno::ENOTDIR));
        assert_eq!(process.lstat(path).unwrap().err(), Some(Errno::ENOTDIR));
        assert_eq!(process.chmod(path, 0o600).unwrap(), Err(Errno::ENOTDIR));
        assert_eq!(
            process.link(LANE, path, b"/x").unwrap(),
            Err(Errno::ENOTDIR)
        );
        assert_eq!(process.chdir(LANE, path).unwrap(), Err(Errno::ENOTDIR));
    }
    for path in ["/fl/", "/a/file/"] {
        let path = path.as_bytes();
        assert_eq!(process.unlink(LANE, path).unwrap(), Err(Errno::ENOTDIR));
        assert_eq!(
            process.rename(LANE, path, b"/x").unwrap(),
            Err(Errno::ENOTDIR)
        );
        assert_eq!(
            process.rename(LANE, b"/a/file", path).unwrap(),
            Err(Errno::ENOTDIR)
        );
    }
    assert_eq!(fixture.read_file("/a/file").unwrap(), b"hello");
}

#[test]
fn what_does_not_fit_on_the_disk_is_not_called_written() {
    let fixture = fixture();
    let process = &fixture.process;
    for flags in [OpenFlags::WRITE, OpenFlags::WRITE | OpenFlags::APPEND] {
        let descriptor = process
            .open(LANE, b"/a/file", OpenFlags(flags), 0)
            .unwrap()
            .unwrap();
        process
            .lseek(LANE, descriptor, 0, Whence::End)
            .unwrap()
            .unwrap();
        fixture.files.set_room(3);
        assert_eq!(process.write(LANE, descriptor, b"too long").unwrap(), Ok(3));
        let end = process.lseek(LANE, descriptor, 0, Whence::End).unwrap();
        let here = process.lseek(LANE, descriptor, 0, Whence::Current).unwrap();
        assert_eq!(here, end);
        assert_eq!(
            process.write(LANE, descriptor, b"more").unwrap(),
            Err(Errno::ENOSPC)
        );
        assert_eq!(
            process.pwrite(descriptor, b"more", 100).unwrap(),
            Err(Errno::ENOSPC)
        );
        process.close(LANE, descriptor).unwrap().unwrap();
    }
    assert_eq!(fixture.read_file("/a/file").unwrap(), b"hellotootoo");
}

#[test]
fn opening() {
    let fixture = fixture();
    let open = |path: &str, flags: u32| {
        let result = fixture
            .process
            .open(LANE, path.as_bytes(), OpenFlags(flags), 0o644)
            .unwrap();
        result.map(|descriptor| fixture.process.close(LANE, descriptor).unwrap().unwrap())
    };
    const WRITE_NEW: u32 = OpenFlags::WRITE | OpenFlags::CREATE;
    assert_eq!(open("/a/file", OpenFlags::READ), Ok(()));
    assert_eq!(open("/a/file", 0), Err(Errno::EINVAL));
    assert_eq!(open("/a", OpenFlags::READ), Ok(()));
    assert_eq!(open("/a", OpenFlags::WRITE), Err(Errno::EISDIR));
    assert_eq!(open("/", WRITE_NEW), Err(Errno::EISDIR));
    assert_eq!(open("/a/new/", WRITE_NEW), Err(Errno::EISDIR));
    assert_eq!(
        open("/a/file", OpenFlags::READ | OpenFlags::DIRECTORY),
        Err(Errno::ENOTDIR)
    );
    assert_eq!(
        open("/a/file", WRITE_NEW | OpenFlags::EXCLUSIVE),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        open("/dangling", WRITE_NEW | OpenFlags::EXCLUSIVE),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        open("/link", OpenFlags::READ | OpenFlags::NO_FOLLOW),
        Err(Errno::ELOOP)
    );
    assert_eq!(open("/dangling", WRITE_NEW), Ok(()));
    assert_eq!(kind(&fixture, "/nothing"), Ok(FileKind::Regular));
    assert_eq!(open("/dev/new", WRITE_NEW), Err(Errno::EROFS));
    assert_eq!(fixture.read_file("/dev/null"), Ok(Vec::new()));
}

#[test]
fn offsets_are_shared_by_duplicates() {
    let fixture = fixture();
    let process = &fixture.process;
    let one = process.open(LANE, b"/a/file", READ, 0).unwrap().unwrap();
    let two = process.dup(LANE, one).unwrap().unwrap();
    let mut byte = [0];
    process.read(LANE, one, &mut byte).unwrap().unwrap();
    process.read(LANE, two, &mut byte).unwrap().unwrap();
    assert_eq!(&byte, b"e");
    assert_eq!(process.lseek(LANE, one, 0, Whence::Current).unwrap(), Ok(2));
    assert_eq!(
        process.lseek(LANE, one, -3, Whence::Current).unwrap(),
        Err(Errno::EINVAL)
    );
    assert_eq!(process.lseek(LANE, two, -1, Whence::End).unwrap(), Ok(4));
    process.pread(one, &mut byte, 1).unwrap().unwrap();
    assert_eq!(&byte, b"e");
    process.read(LANE, one, &mut byte).unwrap().unwrap();
    assert_eq!(&byte, b"o");
    assert_eq!(process.read(LANE, one, &mut byte).unwrap(), Ok(0));
    assert_eq!(process.write(LANE, one, b"x").unwrap(), Err(Errno::EBADF));
    process.close(LANE, one).unwrap().unwrap();
    assert_eq!(
        process.read(LANE, one, &mut byte).unwrap(),
        Err(Errno::EBADF)
    );
    assert_eq!(process.dup2(LANE, two, 300).unwrap(), Err(Errno::EBADF));
    assert_eq!(process.dup2(LANE, two, 9).unwrap(), Ok(9));
    assert_eq!(process.dup2(LANE, 9, 9).unwrap(), Ok(9));
    assert_eq!(process.lseek(LANE, 9, 0, Whence::Current).unwrap(), Ok(5));
}

#[test]
fn appending_goes_to_the_end() {
    let fixture = fixture();
    let process = &fixture.process;
    let append = OpenFlags(OpenFlags::WRITE | OpenFlags::APPEND);
    let descriptor = process.open(LANE, b"/a/file", append, 0).unwrap().unwrap();
    process
        .lseek(LANE, descriptor, 0, Whence::Set)
        .unwrap()
        .unwrap();
    process.write(LANE, descriptor, b" world").unwrap().unwrap();
    assert_eq!(
        process.lseek(LANE, descriptor, 0, Whence::Current).unwrap(),
        Ok(11)
    );
    assert_eq!(fixture.read_file("/a/file").unwrap(), b"hello world");
}

#[test]
fn an_open_file_outlives_its_name() {
    let fixture = fixture();
    let process = &fixture.process;
    let before = fixture.files.count();
    fixture.write_file("/tmp/gone", b"still here", 0o644);
    let descriptor = process.open(LANE, b"/tmp/gone", READ, 0).unwrap().unwrap();
    process.unlink(LANE, b"/tmp/gone").unwrap().unwrap();
    assert_eq!(kind(&fixture, "/tmp/gone"), Err(Errno::ENOENT));
    let mut bytes = [0; 10];
    assert_eq!(process.read(LANE, descriptor, &mut bytes).unwrap(), Ok(10));
    assert_eq!(&bytes, b"still here");
    process.close(LANE, descriptor).unwrap().unwrap();
    assert_eq!(fixture.files.count(), before);
    // The working directory is the only thing still kept.
    assert_eq!(fixture.files.kept(), 1);
}

#[test]
fn names() {
    let fixture = fixture();
    let process = &fixture.process;
    assert_eq!(
        process.mkdir(LANE, b"/a", 0o755).unwrap(),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        process.mkdir(LANE, b"/", 0o755).unwrap(),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        process.mkdir(LANE, b"/x/y", 0o755).unwrap(),
        Err(Errno::ENOENT)
    );
    assert_eq!(process.mkdir(LANE, b"/d/", 0o755).unwrap(), Ok(()));
    assert_eq!(process.rmdir(LANE, b"/d/.").unwrap(), Err(Errno::EINVAL));
    assert_eq!(process.rmdir(LANE, b"/a").unwrap(), Err(Errno::ENOTEMPTY));
    assert_eq!(
        process.rmdir(LANE, b"/a/file").unwrap(),
        Err(Errno::ENOTDIR)
    );
    assert_eq!(process.rmdir(LANE, b"/dev").unwrap(), Err(Errno::EBUSY));
    assert_eq!(process.rmdir(LANE, b"/d").unwrap(), Ok(()));
    assert_eq!(process.unlink(LANE, b"/a").unwrap(), Err(Errno::EISDIR));
    assert_eq!(process.unlink(LANE, b"/none").unwrap(), Err(Errno::ENOENT));
    assert_eq!(
        process.unlink(LANE, b"/a/file/").unwrap(),
        Err(Errno::ENOTDIR)
    );
    assert_eq!(
        process.unlink(LANE, b"/dev/null").unwrap(),
        Err(Errno::EROFS)
    );
    assert_eq!(
        process.link(LANE, b"/a", b"/other").unwrap(),
        Err(Errno::EPERM)
    );
    assert_eq!(
        process.link(LANE, b"/a/file", b"/a/b").unwrap(),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        process.link(LANE, b"/a/file", b"/dev/x").unwrap(),
        Err(Errno::ENOENT).or(Err(Errno::EROFS))
    );
    assert_eq!(process.link(LANE, b"/a/file", b"/other").unwrap(), Ok(()));
    assert_eq!(process.stat(b"/other").unwrap().unwrap().links, 2);
    assert_eq!(
        process.rename(LANE, b"/a", b"/a/b/inside").unwrap(),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        process.rename(LANE, b"/none", b"/x").unwrap(),
        Err(Errno::ENOENT)
    );
    assert_eq!(
        process.rename(LANE, b"/other", b"/a/b").unwrap(),
        Err(Errno::EISDIR)
    );
    assert_eq!(
        process.rename(LANE, b"/other", b"/renamed/").unwrap(),
        Err(Errno::ENOTDIR)
    );
    assert_eq!(
        process.rename(LANE, b"/other", b"/renamed").unwrap(),
        Ok(())
    );
    assert_eq!(kind(&fixture, "/other"), Err(Errno::ENOENT));
    assert_eq!(
        process.symlink(LANE, b"", b"/empty").unwrap(),
        Err(Errno::ENOENT)
    );
    let mut target = [0; 10];
    assert_eq!(process.readlink(b"/link", &mut target).unwrap(), Ok(3));
    assert_eq!(&target[..3], b"a/b");
    assert_eq!(
        process.readlink(b"/a", &mut target).unwrap(),
        Err(Errno::EINVAL)
    );
}

#[test]
fn directories_are_read_in_pieces() {
    let fixture = fixture();
    let list = |path: &str, room: usize| {
        let directory = OpenFlags(OpenFlags::READ | OpenFlags::DIRECTORY);
        let descriptor = fixture
            .process
            .open(LANE, path.as_bytes(), directory, 0)
            .unwrap()
            .unwrap();
        let empty = DirectoryEntry {
            inode: Inode(0),
            kind: FileKind::Regular as u32,
            name: FileName {
                length: 0,
                bytes: [0; NAME_MAX],
            },
            next: 0,
        };
        let mut entries = vec![empty; room];
        let mut names = Vec::new();
        loop {
            let count = fixture
                .process
                .read_directory(LANE, descriptor, &mut entries)
                .unwrap()
                .unwrap();
            if count == 0 {
                break;
            }
            names.extend(entries[..count as usize].iter().map(|entry| {
                String::from_utf8(entry.name.bytes[..entry.name.length as usize].to_vec()).unwrap()
            }));
        }
        fixture.process.close(LANE, descriptor).unwrap().unwrap();
        names
    };
    for room in [1, 2, 32] {
        assert_eq!(
            list("/", room),
            [".", "..", "a", "dangling", "link", "loop", "tmp", "dev"]
        );
        assert_eq!(
            list("/dev", room),
            [".", "..", "console", "stderr", "null", "zero", "random"]
        );
    }
    fixture
        .process
        .mkdir(LANE, b"/a/dev", 0o755)
        .unwrap()
        .unwrap();
    assert_eq!(list("/a", 3), [".", "..", "b", "dev", "file"]);
}

#[test]
fn devices() {
    let fixture = fixture();
    let process = &fixture.process;
    let both = OpenFlags(OpenFlags::READ | OpenFlags::WRITE | OpenFlags::TRUNCATE);
    let mut bytes = [7; 8];
    let zero = process.open(LANE, b"/dev/zero", both, 0).unwrap().unwrap();
    assert_eq!(process.read(LANE, zero, &mut bytes).unwrap(), Ok(8));
    assert_eq!(bytes, [0; 8]);
    assert_eq!(process.write(LANE, zero, &bytes).unwrap(), Ok(8));
    let random = process
        .open(LANE, b"/dev/random", both, 0)
        .unwrap()
        .unwrap();
    assert_eq!(process.read(LANE, random, &mut bytes).unwrap(), Ok(8));
    assert_eq!(bytes, [4; 8]);
    assert_eq!(process.write(LANE, 1, b"byte\nexact\n").unwrap(), Ok(11));
    assert_eq!(*fixture.host.console.lock().unwrap(), b"byte\nexact\n");
    assert_eq!(process.isatty(1).unwrap(), Ok(0));
    assert_eq!(
        process.lseek(LANE, 1, 0, Whence::Set).unwrap(),
        Err(Errno::ESPIPE)
    );
    fixture.rv6.terminal().end_input();
    assert_eq!(process.read(LANE, 0, &mut bytes).unwrap(), Ok(0));
}

#[test]
fn descriptors_run_out() {
    let fixture = fixture();
    let mut count = 3;
    let error = loop {
        match fixture.process.dup(LANE, 0).unwrap() {
            Ok(descriptor) => assert_eq!(descriptor, count),
            Err(error) => break error,
        }
        count += 1;
    };
    assert_eq!((error, count), (Errno::EMFILE, 256));
    fixture.process.close(LANE, 100).unwrap().unwrap();
    assert_eq!(fixture.process.dup(LANE, 0).unwrap(), Ok(100));
    fixture.process.close(LANE, 100).unwrap().unwrap();
    assert_eq!(
        fixture.process.pipe(LANE).unwrap().err(),
        Some(Errno::EMFILE)
    );
    assert_eq!(fixture.process.dup(LANE, 0).unwrap(), Ok(100));
}
