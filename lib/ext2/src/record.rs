//! Directory records: the variable-length entries that fill a directory.
//!
//! A record is inode (4), length (2), name length (1), type (1), name. Records
//! tile their block; what a record does not use at its end is a gap. Blocks of
//! a hash tree look like records without an inode, so that reading needs no
//! knowledge of the tree.

use crate::FileKind;
use crate::bytes::{put_u16, put_u32, u16_at, u32_at};
use crate::error::Corruption;

/// Inode, lengths and type, before the name.
const HEADER_BYTES: usize = 8;
/// The longest name.
pub(crate) const MAX_NAME_BYTES: usize = 255;

/// One record of a directory's block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Where it starts in its block.
    pub offset: usize,
    /// How much of the block it takes, its gap included.
    pub length: usize,
    /// What it names; 0 marks a record that is all gap.
    pub inode: u32,
    /// The type of what it names, if the file system records types.
    pub kind: Option<FileKind>,
    pub name: &'a [u8],
}

impl Record<'_> {
    /// Bytes at the record's start that are in use.
    pub fn used(&self) -> usize {
        if self.inode == 0 {
            0
        } else {
            space_for(self.name)
        }
    }

    pub fn gap(&self) -> usize {
        self.length.saturating_sub(self.used())
    }
}

/// How many bytes a record of this name needs.
pub(crate) fn space_for(name: &[u8]) -> usize {
    (HEADER_BYTES + name.len()).next_multiple_of(4)
}

/// Walks the records of a block, each checked; ends after the first bad one.
pub(crate) struct Records<'a> {
    block: &'a [u8],
    offset: usize,
    has_filetype: bool,
}

impl<'a> Records<'a> {
    pub fn of(block: &'a [u8], has_filetype: bool) -> Self {
        Self {
            block,
            offset: 0,
            has_filetype,
        }
    }

    fn parse(&self) -> Result<Record<'a>, Corruption> {
        let bytes = &self.block[self.offset..];
        if bytes.len() < HEADER_BYTES {
            return Err(Corruption::DirectoryRecord);
        }
        let inode = u32_at(bytes, 0);
        let length = usize::from(u16_at(bytes, 4));
        let (name_bytes, code) = match self.has_filetype {
            true => (usize::from(bytes[6]), bytes[7]),
            false => (usize::from(u16_at(bytes, 6)), 0),
        };
        let name_bytes = if inode == 0 { 0 } else { name_bytes };
        let fits = length >= HEADER_BYTES + name_bytes
            && length.is_multiple_of(4)
            && length <= bytes.len()
            && name_bytes <= MAX_NAME_BYTES
            && (inode == 0 || name_bytes > 0);
        if !fits {
            return Err(Corruption::DirectoryRecord);
        }
        let name = &bytes[HEADER_BYTES..HEADER_BYTES + name_bytes];
        Ok(Record {
            offset: self.offset,
            length,
            inode,
            kind: FileKind::of_code(code),
            name,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Corruption>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset >= self.block.len() {
            return None;
        }
        let record = self.parse();
        self.offset = match &record {
            Ok(record) => self.offset + record.length,
            Err(_) => self.block.len(),
        };
        Some(record)
    }
}

/// Writes one record; its name fits the length, and the length the block.
pub(crate) fn emit(
    block: &mut [u8],
    offset: usize,
    length: usize,
    inode: u32,
    code: u8,
    name: &[u8],
) {
    let bytes = &mut block[offset..offset + length];
    put_u32(bytes, 0, inode);
    put_u16(bytes, 4, length as u16);
    bytes[6] = name.len() as u8;
    bytes[7] = code;
    bytes[HEADER_BYTES..HEADER_BYTES + name.len()].copy_from_slice(name);
}

/// Lets the record at `offset` name another inode.
pub(crate) fn set_inode(block: &mut [u8], offset: usize, inode: u32, code: u8) {
    put_u32(block, offset, inode);
    block[offset + 7] = code;
}

/// Puts a record into the first gap that is large enough; false if there is none.
pub(crate) fn insert(
    block: &mut [u8],
    has_filetype: bool,
    inode: u32,
    code: u8,
    name: &[u8],
) -> Result<bool, Corruption> {
    let need = space_for(name);
    let mut place = None;
    for record in Records::of(block, has_filetype) {
        let record = record?;
        if record.gap() >= need {
            place = Some((record.offset, record.used(), record.length));
            break;
        }
    }
    let Some((offset, used, length)) = place else {
        return Ok(false);
    };
    if used > 0 {
        put_u16(block, offset + 4, used as u16);
    }
    emit(block, offset + used, length - used, inode, code, name);
    Ok(true)
}

/// Turns the record at `offset` into the gap of the one before it.
pub(crate) fn remove(
    block: &mut [u8],
    has_filetype: bool,
    offset: usize,
) -> Result<(), Corruption> {
    let mut before: Option<(usize, usize)> = None;
    for record in Records::of(block, has_filetype) {
        let record = record?;
        if record.offset == offset {
            let length = record.length;
            put_u32(block, offset, 0);
            if let Some((before, before_length)) = before {
                put_u16(block, before + 4, (before_length + length) as u16);
            }
            return Ok(());
        }
        before = Some((record.offset, record.length));
    }
    Err(Corruption::DirectoryRecord)
}

/// The largest gap in a block.
pub(crate) fn largest_gap(block: &[u8], has_filetype: bool) -> Result<usize, Corruption> {
    let mut largest = 0;
    for record in Records::of(block, has_filetype) {
        largest = largest.max(record?.gap());
    }
    Ok(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(block: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let records = Records::of(block, true).map(|record| record.expect("a sound block"));
        records
            .filter(|record| record.inode != 0)
            .map(|r| (r.inode, r.name.to_vec()))
            .collect()
    }

    #[test]
    fn records_are_split_and_merged() {
        let mut block = [0u8; 64];
        put_u16(&mut block, 4, 64);
        assert_eq!(insert(&mut block, true, 11, 1, b"one"), Ok(true));
        assert_eq!(insert(&mut block, true, 12, 1, b"second"), Ok(true));
        assert_eq!(insert(&mut block, true, 13, 2, b"3"), Ok(true));
        assert_eq!(insert(&mut block, true, 14, 2, &[b'x'; 30]), Ok(false));
        let all = names(&block);
        assert_eq!(all.len(), 3);
        remove(&mut block, true, 12).expect("the second record");
        assert_eq!(names(&block), [(11, b"one".to_vec()), (13, b"3".to_vec())]);
        assert_eq!(insert(&mut block, true, 15, 1, b"new"), Ok(true));
        assert_eq!(names(&block)[1], (15, b"new".to_vec()));
        remove(&mut block, true, 0).expect("the first record");
        assert_eq!(names(&block).len(), 2);
        assert!(remove(&mut block, true, 4).is_err());
    }

    #[test]
    fn bad_records_end_the_walk() {
        for (length, name_bytes) in [(0u16, 1u8), (6, 1), (10, 1), (68, 1), (8, 1), (12, 0)] {
            let mut block = [0u8; 64];
            put_u32(&mut block, 0, 11);
            put_u16(&mut block, 4, length);
            block[6] = name_bytes;
            let walked: Vec<_> = Records::of(&block, true).collect();
            assert_eq!(walked.len(), 1);
            assert!(walked[0].is_err(), "length {length}, name {name_bytes}");
        }
    }
}
