//! Cargo sees every change of a source, whatever time the file has.
//!
//! Cargo compiles a crate again if a source is newer than the note that it left when it
//! compiled it. Times are set by whoever owns a file: by a test that sets a mended source
//! back, by tools that unpack, by a clock that is wrong. So before cargo runs, the tool
//! compares the contents of all sources with what it saw before the last build, and gives
//! the present time to each that changed and is not newer than all notes. A note of the
//! future would hide what changes until then: it is removed, so cargo compiles.
//!
//! Times are compared as well: a file that got the present time once, and is then set
//! back, is not as it was.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::digest;
use crate::error::ToolError;
use crate::tree::Tree;

/// How deep cargo's notes lie in the folder for everything built.
const DEPTH: u32 = 4;

/// Folders without notes, or with those of another tree.
const WITHOUT_NOTES: [&str; 4] = ["attacks", "deps", "examples", "incremental"];

/// A time of a file: seconds since 1970, and nanoseconds.
type Time = (i64, i64);

/// A source as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    digest: String,
    modified: Time,
}

/// All sources as they were, by their path in the tree.
type Record = BTreeMap<String, Seen>;

/// Sees to it that cargo compiles what changed since this was called last.
///
/// # Errors
/// [`ToolError::File`] if a file's time cannot be set, or nothing be noted.
pub fn show_changes(tree: &Tree) -> Result<(), ToolError> {
    let path = tree.make_target("stamps")?.join("sources");
    let old = fs::read(&path).ok();
    // Without a record there was no build, or one of a tool that went by times.
    let old = old.and_then(|text| serde_json::from_slice::<Record>(&text).ok());
    let mut record = look(tree);
    if let Some(old) = old {
        if old == record {
            return Ok(());
        }
        let changed = changed(&old, &record);
        let last = last_note(&tree.target(""), now())?;
        for name in changed {
            if let Some(seen) = record.get_mut(&name)
                && seen.modified <= last
            {
                seen.modified = touch(&tree.path(&name))?;
            }
        }
    }
    let new = path.with_extension(std::process::id().to_string());
    let text = serde_json::to_vec(&record).unwrap_or_default();
    fs::write(&new, text).map_err(ToolError::file("write", &new))?;
    fs::rename(&new, &path).map_err(ToolError::file("write", &path))
}

/// The sources as they are; what vanishes meanwhile is not there.
fn look(tree: &Tree) -> Record {
    let sources = tree.sources();
    let seen = sources.iter().filter_map(|path| {
        let modified = time(&fs::symlink_metadata(path).ok()?);
        let digest = digest::of(path).ok()?;
        let name = path.strip_prefix(tree.root()).ok()?.to_str()?;
        Some((name.to_owned(), Seen { digest, modified }))
    });
    seen.collect()
}

/// Names of sources that are not as they were.
fn changed(old: &Record, new: &Record) -> Vec<String> {
    let changed = new
        .iter()
        .filter(|(name, seen)| old.get(*name) != Some(seen));
    changed.map(|(name, _)| name.clone()).collect()
}

/// Gives a file the present time.
fn touch(path: &Path) -> Result<Time, ToolError> {
    let failed = |error| ToolError::file("set the time of", path)(error);
    let file = File::open(path).map_err(failed)?;
    file.set_modified(SystemTime::now()).map_err(failed)?;
    Ok(time(&file.metadata().map_err(failed)?))
}

fn time(metadata: &Metadata) -> Time {
    (metadata.mtime(), metadata.mtime_nsec())
}

/// The present time.
fn now() -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    (now.as_secs().cast_signed(), now.subsec_nanos().into())
}

/// Time of the newest of cargo's notes; those of the future are removed.
fn last_note(target: &Path, now: Time) -> Result<Time, ToolError> {
    let mut last = (0, 0);
    for note in notes(target, DEPTH) {
        let Ok(metadata) = fs::symlink_metadata(&note) else {
            continue;
        };
        match time(&metadata) {
            time if time > now => {
                fs::remove_file(&note).map_err(ToolError::file("remove", &note))?;
            }
            time => last = last.max(time),
        }
    }
    Ok(last)
}

/// Cargo's notes in a folder: of what a crate was compiled from, and what a build script
/// said.
fn notes(folder: &Path, depth: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (name, path) in entries(folder) {
        match name.as_str() {
            ".fingerprint" => {
                let units = entries(&path);
                let files = units.into_iter().flat_map(|(_, unit)| entries(&unit));
                let notes = files.filter(|(name, _)| name.starts_with("dep-"));
                found.extend(notes.map(|(_, path)| path));
            }
            "build" => {
                let outputs = entries(&path)
                    .into_iter()
                    .map(|(_, unit)| unit.join("output"));
                found.extend(outputs.filter(|output| output.is_file()));
            }
            name if depth > 0 && !WITHOUT_NOTES.contains(&name) => {
                found.extend(notes(&path, depth - 1));
            }
            _ => {}
        }
    }
    found
}

/// Names and paths of what is in a folder; nothing, if it is none.
fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let entries =
        entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(files: &[(&str, &str, i64)]) -> Record {
        let files = files.iter().map(|(name, digest, seconds)| {
            let digest = (*digest).to_owned();
            let modified = (*seconds, 0);
            ((*name).to_owned(), Seen { digest, modified })
        });
        files.collect()
    }

    #[test]
    fn contents_and_times_are_compared() {
        let old = record(&[("same", "1", 9), ("mended", "2", 9), ("set back", "3", 9)]);
        let new = record(&[
            ("same", "1", 9),
            // With the time that it had.
            ("mended", "9", 9),
            ("set back", "3", 5),
            ("new", "4", 1),
        ]);
        assert_eq!(changed(&old, &new), ["mended", "new", "set back"]);
        assert_eq!(changed(&new, &new), [""; 0]);
    }

    /// A folder like that for everything built.
    fn target() -> tempfile::TempDir {
        let target = tempfile::tempdir().unwrap();
        for note in [
            "images/x/image/.fingerprint/a-1/dep-lib-a",
            "images/x/image/build/b-1/output",
            "host/debug/.fingerprint/a-1/dep-test-lib-a",
            "host/debug/.fingerprint/a-1/lib-a",
            "images/x/image/deps/.fingerprint/a-1/dep-lib-a",
            "attacks/target/.fingerprint/a-1/dep-lib-a",
        ] {
            let note = target.path().join(note);
            fs::create_dir_all(note.parent().unwrap()).unwrap();
            fs::write(&note, "").unwrap();
        }
        target
    }

    #[test]
    fn cargos_notes_are_found_in_all_folders() {
        let target = target();
        let mut found = notes(target.path(), DEPTH);
        found.sort();
        let found = found
            .iter()
            .map(|path| path.strip_prefix(target.path()).unwrap());
        let expected = [
            "host/debug/.fingerprint/a-1/dep-test-lib-a",
            "images/x/image/.fingerprint/a-1/dep-lib-a",
            "images/x/image/build/b-1/output",
        ];
        assert!(found.eq(expected.map(Path::new)));
    }

    #[test]
    fn the_newest_note_counts_and_none_of_the_future() {
        let target = target();
        let note = target.path().join("images/x/image/build/b-1/output");
        let written = time(&fs::metadata(&note).unwrap());
        assert!(last_note(target.path(), written).unwrap() <= written);
        assert!(note.exists());
        last_note(target.path(), (written.0 - 1, 0)).unwrap();
        assert_eq!(notes(target.path(), DEPTH), [""; 0].map(PathBuf::from));
    }
}
