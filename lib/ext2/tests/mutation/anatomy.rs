//! An image with some of everything, and where its structures lie.
//!
//! Read here once more, by the book and without the library under test: the
//! damage has to know what it hits.

use std::ops::Range;

use crate::support::*;

/// Bytes of an inode, as the images are made.
pub const INODE_BYTES: usize = 256;
/// Inodes of the images.
pub const INODES: usize = 128;

/// Offset of an inode's fifteen block pointers.
const POINTERS: usize = 40;

/// A healthy image and its places, all in bytes from its start.
pub struct Anatomy {
    /// The image.
    pub image: Vec<u8>,
    /// Bytes of a block.
    pub block_bytes: usize,
    /// The group descriptors.
    pub descriptors: Vec<usize>,
    /// Blocks of bitmaps.
    pub bitmaps: Vec<usize>,
    /// Inodes in use, with their numbers.
    pub inodes: Vec<(u32, usize)>,
    /// Inodes of directories.
    pub directories: Vec<u32>,
    /// Blocks of directories.
    pub directory_blocks: Vec<usize>,
    /// Entries of directories.
    pub entries: Vec<usize>,
    /// Blocks of pointers.
    pub tables: Vec<usize>,
}

impl Anatomy {
    /// Makes an image with blocks of so many bytes.
    pub fn of(block_bytes: u32) -> Self {
        let image = populate(block_bytes);
        let block_bytes = block_bytes as usize;
        let start = if block_bytes == 1024 {
            2048
        } else {
            block_bytes
        };
        let groups = word(&image, 1024 + 4).div_ceil(word(&image, 1024 + 32));
        let mut anatomy = Self {
            image,
            block_bytes,
            descriptors: (0..groups).map(|group| start + 32 * group).collect(),
            bitmaps: Vec::new(),
            inodes: Vec::new(),
            directories: Vec::new(),
            directory_blocks: Vec::new(),
            entries: Vec::new(),
            tables: Vec::new(),
        };
        for descriptor in anatomy.descriptors.clone() {
            for bitmap in [descriptor, descriptor + 4] {
                let place = word(&anatomy.image, bitmap) * block_bytes;
                anatomy.bitmaps.push(place);
            }
        }
        for number in 1..=INODES as u32 {
            anatomy.look_at(number);
        }
        assert!(groups > 1, "several groups");
        assert!(anatomy.tables.len() > 4, "indirect blocks of every level");
        assert!(anatomy.directories.len() > 3 && anatomy.entries.len() > 60);
        anatomy
    }

    /// Where an inode lies.
    pub fn place(&self, number: u32) -> usize {
        let per_group = word(&self.image, 1024 + 40);
        let index = number as usize - 1;
        let table = word(&self.image, self.descriptors[index / per_group] + 8);
        table * self.block_bytes + index % per_group * INODE_BYTES
    }

    /// All places where metadata lies.
    pub fn regions(&self) -> Vec<Range<usize>> {
        let mut regions = Vec::new();
        regions.push(1024..1024 + 240);
        let last = self.descriptors[self.descriptors.len() - 1];
        regions.push(self.descriptors[0]..last + 32);
        regions.extend(self.bitmaps.iter().map(|at| *at..at + 64));
        regions.extend(self.inodes.iter().map(|(_, at)| *at..at + 128));
        let blocks = self.directory_blocks.iter().chain(&self.tables);
        regions.extend(blocks.map(|at| *at..at + self.block_bytes.min(256)));
        regions
    }

    fn look_at(&mut self, number: u32) {
        let at = self.place(number);
        let mode = self.image[at + 1] >> 4;
        if mode == 0 {
            return;
        }
        self.inodes.push((number, at));
        let blocks = self.blocks_of(at, mode);
        if mode == 4 {
            self.directories.push(number);
            for block in blocks {
                self.directory_blocks.push(block);
                self.entries_of(block);
            }
        }
    }

    /// Blocks of a file's contents; notes its blocks of pointers.
    fn blocks_of(&mut self, at: usize, mode: u8) -> Vec<usize> {
        let has_map = mode == 8 || mode == 4 || word(&self.image, at + 28) != 0;
        let mut blocks = Vec::new();
        for index in (0..15).filter(|_| has_map) {
            let pointer = word(&self.image, at + POINTERS + 4 * index);
            self.follow(pointer, index.saturating_sub(11), &mut blocks);
        }
        blocks
    }

    fn follow(&mut self, pointer: usize, levels: usize, blocks: &mut Vec<usize>) {
        let at = pointer * self.block_bytes;
        if pointer == 0 {
        } else if levels == 0 {
            blocks.push(at);
        } else {
            self.tables.push(at);
            for slot in (0..self.block_bytes).step_by(4) {
                self.follow(word(&self.image, at + slot), levels - 1, blocks);
            }
        }
    }

    fn entries_of(&mut self, block: usize) {
        let mut at = block;
        while at < block + self.block_bytes {
            self.entries.push(at);
            at += word(&self.image, at + 4) & 0xFFFF;
        }
    }
}

/// The 32-bit number at an offset.
pub fn word(image: &[u8], offset: usize) -> usize {
    let bytes = image[offset..offset + 4].try_into().expect("four bytes");
    u32::from_le_bytes(bytes) as usize
}

/// Two groups, files to triple-indirect blocks, directories in directories,
/// links of both kinds, and a file that lost its name while it was open.
fn populate(block_bytes: u32) -> Vec<u8> {
    let blocks = block_bytes.to_string();
    let inodes = INODES.to_string();
    let options = ["-b", &blocks, "-N", &inodes, "-I", "256", "-g", "256"];
    let store = MemoryStore::new(mke2fs(&options, 512 * block_bytes / 1024));
    let mut fs = mount(&store);
    let root = fs.root();
    let deep = fs.mkdir(root, b"deep", PLAIN).expect("mkdir");
    let deeper = fs.mkdir(deep, b"deeper", PLAIN).expect("mkdir");
    fs.mkdir(deeper, b"deepest", PLAIN).expect("mkdir");
    for i in 0..60 {
        let name = format!("{i:0>60}");
        let inode = fs.create(deeper, name.as_bytes(), PLAIN).expect("create");
        let contents = pattern(i * 50, i as u32);
        fs.write(inode, 0, &contents).expect("write");
    }
    let sparse = fs.create(root, b"sparse", PLAIN).expect("create");
    let pointers = u64::from(block_bytes / 4);
    let triple = (12 + pointers + pointers * pointers) * u64::from(block_bytes);
    for offset in [0, 20 << 10, 5 << 20, triple] {
        fs.write(sparse, offset, &[7; 3_000]).expect("write");
    }
    fs.link(sparse, deep, b"hard").expect("link");
    fs.symlink(root, b"fast", b"deep/deeper", PLAIN)
        .expect("symlink");
    fs.symlink(root, b"slow", &[b's'; 300], PLAIN)
        .expect("symlink");
    let gone = fs.create(root, b"gone", PLAIN).expect("create");
    fs.write(gone, 0, &[1; 20_000]).expect("write");
    fs.retain(gone).expect("retain");
    fs.unlink(root, b"gone").expect("unlink");
    fs.sync().expect("sync");
    drop(fs);
    store.bytes.take()
}
