//! Files are written, made durable, and read back.

use campaign::Chance;
use posix::fs::File;
use posix::prelude::*;

use crate::report::Tally;
use crate::work::Work;

/// Files; more bytes in all than the file system's cache holds.
const FILES: usize = 288;

/// Most bytes of a file.
const BYTES: u64 = 128 << 10;

/// Bytes of a write or read.
const PIECE: usize = 32 << 10;

/// Files, each with what it should hold.
pub struct Files {
    directory: String,
    chance: Chance,
    /// Length and seed of a file's contents; `None`: not known.
    contents: Vec<Option<(usize, u64)>>,
}

impl Files {
    /// No files yet.
    pub fn new(directory: String, seed: u64) -> Self {
        Self {
            directory,
            chance: Chance::new(seed),
            contents: vec![None; FILES],
        }
    }

    fn any(&mut self) -> usize {
        usize::try_from(self.chance.below(FILES as u64)).unwrap_or(0)
    }

    fn path(&self, index: usize) -> String {
        format!("{}/{index}", self.directory)
    }

    fn check(&self, index: usize, tally: &mut Tally) {
        let Some((length, seed)) = self.contents[index] else {
            return;
        };
        let path = self.path(index);
        let expected = bytes(length, seed);
        let Some(mut file) = tally.does("open", || File::open(&path)) else {
            return;
        };
        for piece in expected.chunks(PIECE) {
            let mut found = vec![0; piece.len()];
            if tally.does("read", || file.read_exact(&mut found)).is_none() {
                return;
            }
            tally.compares(&path, &found, piece);
        }
        let beyond = tally.does("read", || file.read(&mut [0; 16])).unwrap_or(0);
        tally.compares(&path, &vec![0; beyond], &[]);
    }

    fn rewrite(&mut self, index: usize, tally: &mut Tally) {
        let length = usize::try_from(1 + self.chance.below(BYTES)).unwrap_or(1);
        let seed = self.chance.number();
        let contents = bytes(length, seed);
        self.contents[index] = None;
        let path = self.path(index);
        let is_durable = self.chance.below(2) == 0;
        let written = write(&path, &contents, is_durable, tally);
        self.contents[index] = written.map(|()| (length, seed));
    }
}

/// Writes a file anew; `None` if any part of that failed.
fn write(path: &str, contents: &[u8], is_durable: bool, tally: &mut Tally) -> Option<()> {
    let mut file = tally.does("create", || File::create(path))?;
    for piece in contents.chunks(PIECE) {
        tally.does("write", || file.write_all(piece))?;
    }
    if is_durable {
        tally.does("fsync", || file.sync_all())?;
    }
    Some(())
}

impl Work for Files {
    fn round(&mut self, tally: &mut Tally) {
        let index = self.any();
        self.check(index, tally);
        let index = self.any();
        self.rewrite(index, tally);
        self.check(index, tally);
    }

    fn kept(&self) -> Vec<String> {
        let mut kept = Vec::new();
        for (index, contents) in self.contents.iter().enumerate() {
            if let Some((length, seed)) = *contents {
                let sum = hmac_sha256::Hash::hash(&bytes(length, seed));
                let digits: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
                kept.push(format!("{} {digits}", self.path(index)));
            }
        }
        kept
    }
}

/// What a file with this seed holds.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut chance = Chance::new(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&chance.number().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
