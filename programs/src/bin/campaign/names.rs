//! Files are made, linked, renamed and removed, and the directory is listed.

use alloc::collections::BTreeMap;

use campaign::Chance;
use posix::fs;
use posix::prelude::*;

use crate::report::Tally;
use crate::work::Work;

/// Most names in the directory.
const MOST: u64 = 40;

/// A directory and the names that should be in it.
pub struct Names {
    directory: String,
    chance: Chance,
    /// Each with a number of the file it names: links share one.
    names: BTreeMap<String, u64>,
    files: u64,
    /// A change failed: what there is has to be removed first.
    is_unknown: bool,
}

impl Names {
    /// An empty directory.
    pub const fn new(directory: String, seed: u64) -> Self {
        Self {
            directory,
            chance: Chance::new(seed),
            names: BTreeMap::new(),
            files: 0,
            is_unknown: false,
        }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }

    /// A name, which may be there or not.
    fn any(&mut self) -> String {
        format!("name-{}", self.chance.below(MOST))
    }

    /// Changes something; `None` when that failed, and what there is unknown.
    fn change(&mut self, tally: &mut Tally) -> Option<()> {
        let (name, other) = (self.any(), self.any());
        let (path, new_path) = (self.path(&name), self.path(&other));
        let file = self.names.get(&name).copied();
        let other_file = self.names.get(&other).copied();
        match (self.chance.below(4), file) {
            (0, Some(file)) => {
                tally.does("rename", || fs::rename(&path, &new_path))?;
                // Two names of one file both stay (POSIX, rename).
                if other_file != Some(file) {
                    self.names.remove(&name);
                    self.names.insert(other, file);
                }
            }
            (1, Some(file)) if other_file.is_none() => {
                tally.does("link", || fs::hard_link(&path, &new_path))?;
                self.names.insert(other, file);
            }
            (2, Some(_)) => {
                tally.does("unlink", || fs::remove_file(&path))?;
                self.names.remove(&name);
            }
            _ => {
                tally.does("create", || fs::write(&path, b"a name"))?;
                self.files += 1;
                self.names.entry(name).or_insert(self.files);
            }
        }
        Some(())
    }

    fn list(&self, tally: &mut Tally) -> Option<Vec<String>> {
        let entries = tally.does("list", || {
            fs::read_dir(&self.directory)?.collect::<Result<Vec<_>, _>>()
        })?;
        let names = entries.iter().map(|entry| entry.file_name().to_owned());
        Some(names.collect())
    }

    /// A name too many or too few counts as a byte.
    fn check(&self, tally: &mut Tally) {
        let Some(found) = self.list(tally) else {
            return;
        };
        let missing = self.names.keys().filter(|name| !found.contains(name));
        let strange = found.iter().filter(|name| !self.names.contains_key(*name));
        for name in missing.chain(strange) {
            complain!("{name}: should be there, or should not");
            tally.lost_bytes += 1;
        }
    }

    /// Empties the directory; `None` if that fails.
    fn begin_anew(&mut self, tally: &mut Tally) -> Option<()> {
        self.names.clear();
        for name in self.list(tally)? {
            let path = self.path(&name);
            tally.does("unlink", || fs::remove_file(&path))?;
        }
        self.is_unknown = false;
        Some(())
    }

    fn work(&mut self, tally: &mut Tally) -> Option<()> {
        if self.is_unknown {
            self.begin_anew(tally)?;
        }
        self.is_unknown = true;
        for _ in 0..8 {
            self.change(tally)?;
        }
        self.is_unknown = false;
        self.check(tally);
        Some(())
    }
}

impl Work for Names {
    fn round(&mut self, tally: &mut Tally) {
        // A failure is in the tally, and the next round begins anew.
        let _ = self.work(tally);
    }
}
