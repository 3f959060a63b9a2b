//! What stands between Rv6 and the file system dies, and no process notices.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use exchange::Proxy;
use exchange::host::{Domain, adopt, die_here, promise, reclaim, redirect};
use interfaces::files::*;
use interfaces::process::*;

use super::files::MemoryFiles;
use super::host::{Fixture, LANE, Passing};

/// At which points somebody dies. There is one before and one after each call.
type IsDue = Arc<dyn Fn(usize) -> bool + Send + Sync>;

/// One life of what stands between.
pub struct Life {
    domain: Domain,
    fate: Arc<Fate>,
    died: Mutex<Sender<Domain>>,
}

struct Fate {
    is_due: IsDue,
    points: AtomicUsize,
    deaths: AtomicUsize,
}

impl Life {
    /// A place at which the domain may die.
    pub fn point(&self) {
        if (self.fate.is_due)(self.fate.points.fetch_add(1, Ordering::SeqCst)) {
            self.fate.deaths.fetch_add(1, Ordering::SeqCst);
            self.domain.die();
            // The supervisor may be gone at the end of a test.
            let _ = self.died.lock().unwrap().send(self.domain);
            die_here()
        }
    }
}

/// A system whose file system is reached through domains that die when they are due.
fn fixture(is_due: IsDue) -> (Fixture, Arc<Fate>) {
    let fate = Arc::new(Fate {
        is_due,
        points: AtomicUsize::new(0),
        deaths: AtomicUsize::new(0),
    });
    let files = Arc::new(MemoryFiles::new());
    let (died, deaths) = channel::<Domain>();
    let start = {
        let (files, fate) = (files.clone(), fate.clone());
        move || {
            let domain = Domain::new();
            let life = Life {
                domain,
                fate: fate.clone(),
                died: Mutex::new(died.clone()),
            };
            let files = files.clone();
            let object = domain.run(|| {
                let passing = Arc::new(Passing { files, life });
                Proxy::export(passing as Arc<dyn FileSystem>)
            });
            let object = adopt(object);
            promise(&object);
            object
        }
    };
    let home = Domain::new();
    let mut first = home.run(&start);
    let way = adopt(first.try_clone().unwrap());
    thread::spawn(move || {
        while let Ok(dead) = deaths.recv() {
            reclaim(dead.id());
            let second = home.run(&start);
            redirect(&first, &second);
            first = second;
        }
    });
    (Fixture::over(Box::new(way), files, false), fate)
}

/// What a process does, and what there is in the end.
fn work(fixture: &Fixture) -> Vec<(Vec<u8>, Vec<u8>)> {
    let process = &fixture.process;
    let open = |path: &str, flags| {
        let opened = process.open(LANE, path.as_bytes(), OpenFlags(flags), 0o644);
        opened.unwrap()
    };
    let new = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    process.mkdir(LANE, b"/d", 0o755).unwrap().unwrap();
    assert_eq!(
        process.mkdir(LANE, b"/d", 0o755).unwrap(),
        Err(Errno::EEXIST)
    );
    fixture.write_file("/d/a", b"first", 0o600);
    let exclusive = open("/d/b", new).unwrap();
    assert_eq!(open("/d/b", new), Err(Errno::EEXIST));
    assert_eq!(process.write(LANE, exclusive, b"once"), Ok(Ok(4)));
    process.close(LANE, exclusive).unwrap().unwrap();
    let end = open("/d/a", OpenFlags::WRITE | OpenFlags::APPEND).unwrap();
    for word in [&b" second"[..], b"", b" third"] {
        assert_eq!(process.write(LANE, end, word), Ok(Ok(word.len() as u64)));
    }
    assert_eq!(process.lseek(LANE, end, 0, Whence::Current), Ok(Ok(18)));
    process.link(LANE, b"/d/a", b"/d/l").unwrap().unwrap();
    process.symlink(LANE, b"a", b"/d/s").unwrap().unwrap();
    process.rename(LANE, b"/d/b", b"/d/c").unwrap().unwrap();
    assert_eq!(
        process.rename(LANE, b"/d/b", b"/d/e").unwrap(),
        Err(Errno::ENOENT)
    );
    process.mkdir(LANE, b"/d/gone", 0o755).unwrap().unwrap();
    process.rmdir(LANE, b"/d/gone").unwrap().unwrap();
    // It is open, and there for as long.
    process.unlink(LANE, b"/d/a").unwrap().unwrap();
    assert_eq!(process.unlink(LANE, b"/d/a").unwrap(), Err(Errno::ENOENT));
    process.unlink(LANE, b"/d/l").unwrap().unwrap();
    assert_eq!(process.write(LANE, end, b"."), Ok(Ok(1)));
    assert_eq!(process.lseek(LANE, end, 0, Whence::End), Ok(Ok(19)));
    process.close(LANE, end).unwrap().unwrap();
    process.chmod(b"/d/c", 0o640).unwrap().unwrap();
    process.truncate(b"/d/c", 2).unwrap().unwrap();
    let list = open("/d", OpenFlags::READ).unwrap();
    let mut entries = [crate::device::directory_entry(Inode(0), FileKind::Regular, b"", 0); 16];
    let count = process
        .read_directory(LANE, list, &mut entries)
        .unwrap()
        .unwrap();
    process.close(LANE, list).unwrap().unwrap();
    let names = entries[..count as usize].iter();
    let names = names.map(|entry| entry.name.bytes[..entry.name.length as usize].to_vec());
    names
        .map(|name| {
            let path = format!("/d/{}", String::from_utf8_lossy(&name));
            let content = fixture.read_file(&path).unwrap_or_default();
            (name, content)
        })
        .collect()
}

/// Works while domains die; how many points there were, and how many deaths.
fn survive(is_due: impl Fn(usize) -> bool + Send + Sync + 'static) -> (usize, usize) {
    let (fixture, fate) = fixture(Arc::new(is_due));
    let left = work(&fixture);
    let expected: [(&[u8], &[u8]); 4] = [(b".", b""), (b"..", b""), (b"c", b"on"), (b"s", b"")];
    let left: Vec<(&[u8], &[u8])> = left.iter().map(|(name, text)| (&**name, &**text)).collect();
    assert_eq!(left, expected);
    // Of all that was held, only the process's working directory still is.
    assert_eq!(fixture.files.kept(), 1);
    let count = |number: &AtomicUsize| number.load(Ordering::SeqCst);
    (count(&fate.points), count(&fate.deaths))
}

#[test]
fn a_death_at_any_point_is_seen_by_nobody() {
    let (points, deaths) = survive(|_| false);
    assert_eq!(deaths, 0);
    for due in 0..points {
        let (_, deaths) = survive(move |point| point == due);
        assert_eq!(deaths, 1, "at {due}");
    }
}

#[test]
fn deaths_of_which_no_call_meets_two_are_seen_by_nobody() {
    for row in 7..10 {
        // Looks meet deaths, too.
        let (points, deaths) = survive(move |point| point % row == 0);
        assert!(deaths > points / 16, "{deaths} at {points} points");
    }
}
