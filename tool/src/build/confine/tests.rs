//! What a thread that is confined, and what it starts, can no longer do.

use std::fs::{File, OpenOptions, Permissions};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, fchown, lchown};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::ExitStatus;
use std::time::SystemTime;

use rustix::fs::{
    AtFlags, CWD, IFlags, Timespec, Timestamps, XattrFlags, fsetxattr, ioctl_setflags, lsetxattr,
    setxattr, utimensat,
};
use rustix::io::Result as CallResult;
use rustix::process::{Pid, Signal, getgid, getuid, kill_process};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use super::*;

#[test]
fn everything_beside_a_folder_is_found_and_nothing_above() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap();
    fs::create_dir_all(root.join("a/hidden")).unwrap();
    fs::write(root.join("a/file"), "").unwrap();
    fs::create_dir(root.join("b")).unwrap();
    std::os::unix::fs::symlink(&root, root.join("a/link")).unwrap();
    let found = beside(&root.join("a/hidden"));
    for shown in ["a/file", "b"] {
        assert!(found.contains(&root.join(shown)), "{shown}");
    }
    for left_out in ["a", "a/hidden", "a/link", "", "/dev"] {
        assert!(!found.contains(&root.join(left_out)), "{left_out}");
    }
    assert!(!found.contains(&PathBuf::from("/")));
}

/// A tree with a key, a source and a folder that may be written.
struct Place {
    _folder: TempDir,
    keys: PathBuf,
    key: PathBuf,
    source: PathBuf,
    own: PathBuf,
}

impl Place {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let place = Self {
            _folder: folder,
            keys: root.join("target/keys"),
            key: root.join("target/keys/key"),
            source: root.join("lib.rs"),
            own: root.join("target/own"),
        };
        fs::create_dir_all(&place.keys).unwrap();
        fs::create_dir_all(&place.own).unwrap();
        fs::write(&place.key, "key").unwrap();
        fs::write(&place.source, "source").unwrap();
        fs::write(place.own.join("file"), "own").unwrap();
        place
    }

    /// What comes of `tries` in a thread that is confined, and how much of Landlock
    /// the kernel has.
    fn confined<T: Send>(&self, tries: impl FnOnce(&Self) -> T + Send) -> (RulesetStatus, T) {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let writable = [self.own.as_path()].into_iter();
                let status = confine(&self.keys, writable).unwrap();
                (status, tries(self))
            });
            thread.join().unwrap()
        })
    }
}

/// Names of those that succeeded.
fn succeeded<E>(
    tries: impl IntoIterator<Item = (&'static str, Result<(), E>)>,
) -> Vec<&'static str> {
    let tries = tries.into_iter();
    tries
        .filter_map(|(name, result)| result.is_ok().then_some(name))
        .collect()
}

#[test]
fn what_is_confined_writes_into_its_own_folder_only() {
    let (status, results) = Place::make().confined(|place| {
        let own = place.own.join("new");
        fs::write(&own, "new").unwrap();
        fs::copy(&place.source, place.own.join("copy")).unwrap();
        fs::read(&place.source).unwrap();
        [
            ("read the key", fs::read(&place.key).map(drop)),
            ("write the key", fs::write(&place.key, "")),
            ("write a source", fs::write(&place.source, "")),
            ("remove a source", fs::remove_file(&place.source)),
        ]
    });
    if status != RulesetStatus::NotEnforced {
        assert_eq!(succeeded(results), [""; 0]);
    }
}

/// Sets a file's times to 1970.
fn set_back(path: &Path) -> CallResult<()> {
    let time = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::empty())
}

#[test]
fn what_is_confined_changes_neither_mode_nor_owner_nor_time() {
    let place = Place::make();
    let look = || {
        [&place.keys, &place.key, &place.source].map(|path| {
            let metadata = fs::metadata(path).unwrap();
            (metadata.permissions(), metadata.modified().unwrap())
        })
    };
    let before = look();
    let (_, results) = place.confined(|place| {
        let (folder, source) = (File::open(&place.keys), File::open(&place.source).unwrap());
        let open = || Permissions::from_mode(0o777);
        let user = Some(getuid().as_raw());
        let group = Some(getgid().as_raw());
        // These say that they did.
        source.set_permissions(open()).unwrap();
        if let Ok(folder) = folder {
            folder.set_permissions(open()).unwrap();
        }
        [
            ("chmod of the key", fs::set_permissions(&place.key, open())),
            ("of its folder", fs::set_permissions(&place.keys, open())),
            ("utimensat", set_back(&place.source).map_err(Into::into)),
            ("futimens", source.set_modified(SystemTime::UNIX_EPOCH)),
            ("chown", chown(&place.source, user, group)),
            ("lchown", lchown(&place.source, user, group)),
            ("fchown", fchown(&source, user, group)),
        ]
    });
    assert_eq!(succeeded(results), [""; 0]);
    assert_eq!(before, look());
}

#[test]
fn what_is_confined_changes_neither_attributes_nor_flags() {
    let (_, results) = Place::make().confined(|place| {
        let (path, name, none) = (place.own.join("file"), "user.a", XattrFlags::empty());
        let file = File::open(&path).unwrap();
        [
            ("setxattr", setxattr(&path, name, b"1", none)),
            ("lsetxattr", lsetxattr(&path, name, b"1", none)),
            ("fsetxattr", fsetxattr(&file, name, b"1", none)),
            ("flags", ioctl_setflags(&file, IFlags::NODUMP)),
        ]
    });
    assert_eq!(succeeded(results), [""; 0]);
}

/// Error number of a system call that is made with these arguments, 0 for none.
fn call(number: i64, arguments: &str) -> Option<i32> {
    let script = format!("exit(syscall({number}, {arguments}) == -1 ? $! : 0)");
    let mut command = Command::new("perl");
    command.args(["-e", &script]).status().unwrap().code()
}

#[test]
#[cfg(target_arch = "x86_64")]
fn what_is_confined_finds_no_newer_call_for_it() {
    let (_, errors) = Place::make().confined(|place| {
        let path = place.own.join("file");
        let path = format!("my $path = '{}'", path.display());
        [
            call(452, &format!("-100, {path}, 0777, 0")),
            call(463, &format!("-100, {path}, 0, my $name = 'user.a', 0, 0")),
            call(466, &format!("-100, {path}, 0, my $name = 'user.a'")),
            call(469, &format!("-100, {path}, 0, 24, 0")),
            call(425, "1, my $parameters = '0' x 120"),
            call(437, &format!("-100, {path}, my $how = chr(0) x 24, 24")),
        ]
    });
    assert_eq!(errors, [1, 1, 1, 1, 38, 38].map(Some));
}

#[test]
fn what_is_confined_makes_nothing_that_runs_with_its_owners_rights() {
    let (_, results) = Place::make().confined(|place| {
        let make = |mode| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(mode);
            options.open(place.own.join(format!("{mode:o}"))).map(drop)
        };
        make(0o755).unwrap();
        [
            ("set-user-id", make(0o4755)),
            ("set-group-id", make(0o2755)),
            ("both", make(0o6711)),
        ]
    });
    assert_eq!(succeeded(results), [""; 0]);
}

#[test]
fn what_is_confined_opens_harmless_devices_only() {
    let (status, results) = Place::make().confined(|_| {
        fs::write("/dev/null", "text").unwrap();
        for name in ["zero", "random", "urandom"] {
            File::open(Path::new(DEVICES).join(name)).unwrap();
        }
        let write = |path| OpenOptions::new().write(true).open(path).map(drop);
        let left = format!("/dev/shm/redleaf.{}", std::process::id());
        let result = fs::write(&left, "left");
        let _ = fs::remove_file(&left);
        [
            ("shm", result),
            ("kmsg", write("/dev/kmsg")),
            ("kvm", write("/dev/kvm")),
            ("kmsg to read", File::open("/dev/kmsg").map(drop)),
            ("the disk", File::open("/dev/vda").map(drop)),
        ]
    });
    if status != RulesetStatus::NotEnforced {
        assert_eq!(succeeded(results), [""; 0]);
    }
}

#[test]
fn what_is_confined_has_no_capabilities_and_gets_none() {
    let (_, (held, started)) = Place::make().confined(|_| {
        let started = Command::new("cat").arg("/proc/self/status").output();
        (capabilities(None).unwrap(), started.unwrap().stdout)
    });
    assert!(held.effective.is_empty() && held.permitted.is_empty());
    assert!(held.inheritable.is_empty());
    let started = String::from_utf8(started).unwrap();
    let field = |name| {
        let found = started.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap().trim()
    };
    for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
}

#[test]
fn what_is_confined_reaches_no_process_outside() {
    let name = format!("redleaf.{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let outside = Pid::from_child(&child);
    let (status, results) = Place::make().confined(|_| {
        let connected = UnixStream::connect_addr(&address);
        [
            (
                "signal",
                kill_process(outside, Signal::CONT).map_err(Into::into),
            ),
            ("socket", connected.map(drop)),
        ]
    });
    child.kill().unwrap();
    child.wait().unwrap();
    // Landlock can do that since Linux 6.12.
    if status == RulesetStatus::FullyEnforced {
        assert_eq!(succeeded(results), [""; 0]);
    }
}

/// Whether a program, started as `start` does it, can type into a terminal.
fn types(start: impl FnOnce(&mut Command) -> std::io::Result<ExitStatus>) -> bool {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let other = File::open(Path::new(name.to_str().unwrap())).unwrap();
    let mut command = Command::new("perl");
    command.args(["-e", "exit(ioctl(STDIN, 0x5412, my $key = 'x') ? 0 : $!)"]);
    start(command.stdin(other)).unwrap().success()
}

#[test]
fn what_is_confined_cannot_type() {
    // A filter is its thread's, and of what the thread starts.
    let (_, typed) = Place::make().confined(|_| types(Command::status));
    assert!(!typed);
}
