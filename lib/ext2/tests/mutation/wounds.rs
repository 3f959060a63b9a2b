//! Kinds of damage, each to one field of one structure.

#![expect(
    clippy::ptr_arg,
    reason = "one signature for all kinds; one of them shortens the image"
)]

use crate::anatomy::{Anatomy, INODES, word};
use crate::support::Random;

/// Fields of the superblock that anything depends on: offset and bytes.
const SUPERBLOCK: [(usize, usize); 20] = [
    (0, 4),   // inodes
    (4, 4),   // blocks
    (8, 4),   // reserved blocks
    (12, 4),  // free blocks
    (16, 4),  // free inodes
    (20, 4),  // first data block
    (24, 4),  // block size
    (28, 4),  // fragment size
    (32, 4),  // blocks per group
    (40, 4),  // inodes per group
    (56, 2),  // magic
    (58, 2),  // state
    (76, 4),  // revision
    (84, 4),  // first inode
    (88, 2),  // inode size
    (92, 4),  // compatible features
    (96, 4),  // incompatible features
    (100, 4), // read-only features
    (206, 2), // reserved descriptor blocks
    (232, 4), // last orphan
];

/// Of a group descriptor: bitmaps, table, free blocks, free inodes, directories.
const DESCRIPTOR: [(usize, usize); 6] = [(0, 4), (4, 4), (8, 4), (12, 2), (14, 2), (16, 2)];

/// Of an inode: mode, size, deletion time, links, sectors, flags, attribute
/// block, upper half of the size, bytes beyond the classic 128.
const INODE: [(usize, usize); 9] = [
    (0, 2),
    (4, 4),
    (20, 4),
    (26, 2),
    (28, 4),
    (32, 4),
    (104, 4),
    (108, 4),
    (128, 2),
];

/// Of a directory entry: inode, its length, the name's length, kind.
const ENTRY: [(usize, usize); 4] = [(0, 4), (4, 2), (6, 1), (7, 1)];

/// Wounds the image of `anatomy` and says how.
pub type Wound = fn(&Anatomy, &mut Vec<u8>, &mut Random);

/// All kinds.
pub const WOUNDS: [(&str, Wound); 15] = [
    ("superblock field", superblock),
    ("group descriptor field", descriptor),
    ("inode field", inode),
    ("inode pointer", pointer),
    ("indirect block's pointer", indirect),
    ("indirect block that points to itself", own_table),
    ("directory entry field", entry),
    ("name in a directory", name),
    ("entry that leads to a directory above", cycle),
    ("parent that is another", parent),
    ("list of orphans with a cycle", orphans),
    ("bitmap", bitmap),
    ("structure in the place of another", misplaced),
    ("any word", any_word),
    ("end of the store", end),
];

fn superblock(_: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    change(image, 1024, &SUPERBLOCK, random);
}

fn descriptor(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    change(
        image,
        pick(&anatomy.descriptors, random),
        &DESCRIPTOR,
        random,
    );
}

fn inode(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let (_, at) = pick(&anatomy.inodes, random);
    change(image, at, &INODE, random);
}

fn pointer(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let (_, at) = pick(&anatomy.inodes, random);
    let slot = at + 40 + 4 * random.below(15) as usize;
    put(image, slot, 4, target(anatomy, random));
}

fn indirect(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let table = pick(&anatomy.tables, random);
    let slots = anatomy.block_bytes as u64 / 4;
    // Mostly the first ones, which are in use.
    let among = [8, slots][random.below(2) as usize];
    let slot = random.below(among);
    let target = target(anatomy, random);
    put(image, table + 4 * slot as usize, 4, target);
}

fn own_table(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let table = pick(&anatomy.tables, random);
    let itself = (table / anatomy.block_bytes) as u64;
    let all = random.below(2) == 0;
    for slot in (0..anatomy.block_bytes).step_by(4) {
        if all || word(image, table + slot) != 0 {
            put(image, table + slot, 4, itself);
        }
    }
}

fn entry(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    change(image, pick(&anatomy.entries, random), &ENTRY, random);
}

/// A name that no call accepts, or one that is there already.
fn name(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let at = pick(&anatomy.entries, random);
    let length = usize::from(image[at + 6]);
    let from = pick(&anatomy.entries, random);
    match random.below(4) {
        0 => image[at + 8] = b'/',
        1 => image[at + 8] = 0,
        2 if at + 8 + length <= image.len() && from + 8 + length <= image.len() => {
            image.copy_within(from + 8..from + 8 + length, at + 8);
        }
        _ => image[at + 8..at + 10].copy_from_slice(b".."),
    }
}

fn cycle(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let at = pick(&anatomy.entries, random);
    put(image, at, 4, pick(&anatomy.directories, random).into());
    image[at + 7] = 2;
}

fn parent(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let block = pick(&anatomy.directory_blocks, random);
    let which = 12 * random.below(2) as usize;
    put(image, block + which, 4, random.below(INODES as u64 + 8));
}

fn orphans(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let (first, second) = (pick(&anatomy.inodes, random), pick(&anatomy.inodes, random));
    put(image, 1024 + 232, 4, first.0.into());
    put(image, first.1 + 20, 4, second.0.into());
    put(image, second.1 + 20, 4, first.0.into());
    if random.below(2) == 0 {
        put(image, first.1 + 26, 2, 0);
        put(image, second.1 + 26, 2, 0);
    }
}

fn bitmap(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let at = pick(&anatomy.bitmaps, random);
    let byte = [0, 0xFF, random.next() as u8][random.below(3) as usize];
    let length = random.below(anatomy.block_bytes as u64) as usize;
    image[at..at + length].fill(byte);
}

/// A whole inode, descriptor or block in the place of another.
fn misplaced(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let blocks = [
        &anatomy.bitmaps,
        &anatomy.directory_blocks,
        &anatomy.tables,
        &anatomy.directory_blocks,
    ];
    let mut one = |length: usize| match length {
        128 => pick(&anatomy.inodes, random).1,
        32 => pick(&anatomy.descriptors, random),
        _ => {
            let kind = blocks[random.below(4) as usize];
            pick(kind, random)
        }
    };
    let length = [128, 32, anatomy.block_bytes][one(32) / 32 % 3];
    let (from, to) = (one(length), one(length));
    image.copy_within(from..from + length, to);
}

fn any_word(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let regions = anatomy.regions();
    let region = &regions[random.below(regions.len() as u64) as usize];
    let at = region.start + random.below(region.len() as u64 - 4) as usize;
    match random.below(3) {
        0 => image[at] ^= 1 << random.below(8),
        1 => image[at] = random.next() as u8,
        _ => put(image, at & !3, 4, random.next()),
    }
}

/// The store ends before the file system does, and perhaps nobody knows.
fn end(anatomy: &Anatomy, image: &mut Vec<u8>, random: &mut Random) {
    let half = (image.len() / anatomy.block_bytes / 2) as u64;
    let blocks = half + random.below(half);
    let length = blocks as usize * anatomy.block_bytes;
    if random.below(2) == 0 {
        put(image, 1024 + 4, 4, blocks);
    }
    image.truncate(length);
}

/// Another number in one of a structure's fields.
fn change(image: &mut [u8], at: usize, fields: &[(usize, usize)], random: &mut Random) {
    let (offset, bytes) = fields[random.below(fields.len() as u64) as usize];
    let old = number(image, at + offset, bytes);
    let new = match random.below(12) {
        0 => 0,
        1 => u64::MAX,
        2 => old.wrapping_add(1),
        3 => old.wrapping_sub(1),
        4 => old * 2,
        5 => old / 2,
        6 => 1 << random.below(8 * bytes as u64),
        7 => old ^ 1 << random.below(8 * bytes as u64),
        8 => (1 << (8 * bytes as u64 - 1)) - random.below(2),
        9 => random.below(16),
        10 => random.below(1024),
        _ => random.next(),
    };
    put(image, at + offset, bytes, new);
}

/// A block that a pointer should not lead to.
fn target(anatomy: &Anatomy, random: &mut Random) -> u64 {
    let blocks = (anatomy.image.len() / anatomy.block_bytes) as u64;
    let places = match random.below(8) {
        0 => &anatomy.bitmaps,
        1 => &anatomy.directory_blocks,
        2 | 3 => &anatomy.tables,
        4 => return blocks + random.below(3),
        5 => return u64::MAX,
        6 => return random.below(12),
        _ => return random.below(blocks),
    };
    (pick(places, random) / anatomy.block_bytes) as u64
}

fn pick<T: Copy>(from: &[T], random: &mut Random) -> T {
    from[random.below(from.len() as u64) as usize]
}

fn number(image: &[u8], at: usize, bytes: usize) -> u64 {
    let mut wide = [0; 8];
    wide[..bytes].copy_from_slice(&image[at..at + bytes]);
    u64::from_le_bytes(wide)
}

/// Writes a number's low bytes; what lies behind a shortened store is lost.
fn put(image: &mut [u8], at: usize, bytes: usize, number: u64) {
    if let Some(place) = image.get_mut(at..at + bytes) {
        place.copy_from_slice(&number.to_le_bytes()[..bytes]);
    }
}
