//! Damaged images: every answer but a panic, a hang or unbounded memory.

#![forbid(unsafe_code)]

mod support;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ext2::{Error, Ext2, FileKind, MountOptions};
use support::*;

/// The parts of an image that the damage aims at, in bytes.
struct Targets {
    image: Vec<u8>,
    regions: Vec<std::ops::Range<usize>>,
}

/// An image with some of everything, and the places of its metadata.
fn populated(block_bytes: u32, kib: u32) -> Targets {
    let store = MemoryStore::new(mke2fs(&["-b", &block_bytes.to_string(), "-N", "128"], kib));
    let mut fs = mount(&store);
    let root = fs.root();
    let deep = fs.mkdir(root, b"deep", PLAIN).expect("mkdir");
    let deeper = fs.mkdir(deep, b"deeper", PLAIN).expect("mkdir");
    for i in 0..60 {
        let name = format!("{i:0>60}");
        let inode = fs.create(deeper, name.as_bytes(), PLAIN).expect("create");
        fs.write(inode, 0, &pattern(i * 50, i as u32))
            .expect("write");
    }
    let sparse = fs.create(root, b"sparse", PLAIN).expect("create");
    for offset in [0, 20 << 10, 5 << 20, 1 << 30] {
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
    let image = store.bytes.borrow().clone();
    let b = block_bytes as usize;
    let word = |offset: usize| {
        u32::from_le_bytes(image[offset..offset + 4].try_into().expect("four bytes")) as usize
    };
    let descriptors = if block_bytes == 1024 { 2048 } else { b };
    let table = word(descriptors + 8) * b;
    let mut regions = vec![
        1024..1024 + 240,
        descriptors..descriptors + 32,
        word(descriptors) * b..word(descriptors) * b + 64,
        word(descriptors + 4) * b..word(descriptors + 4) * b + 16,
        table + 256..table + 512,
        table + 10 * 256..table + 90 * 256,
    ];
    // Blocks of directories and of pointers, told by what they hold.
    let is_pointers = |block: &[u8]| block[2..4] == [0, 0] && block[..2] != [0, 0];
    for (i, block) in image.chunks(b).enumerate().skip((table + 128 * 256) / b) {
        if is_pointers(block) {
            regions.push(i * b..i * b + b.min(256));
        }
    }
    Targets { image, regions }
}

fn damage(targets: &Targets, random: &mut Random) -> Vec<u8> {
    let mut image = targets.image.clone();
    for _ in 0..1 + random.below(6) {
        let region = &targets.regions[random.below(targets.regions.len() as u64) as usize];
        let offset = region.start + random.below((region.len() - 4) as u64) as usize;
        let aligned = offset & !3;
        match random.below(5) {
            0 => image[offset] = random.next() as u8,
            1 => image[offset] ^= 1 << random.below(8),
            2 => image[aligned..aligned + 4]
                .copy_from_slice(&(random.below(600) as u32).to_le_bytes()),
            3 => {
                let values = [0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, u32::MAX, 512, 0xFFFF];
                let value: u32 = values[random.below(values.len() as u64) as usize];
                image[aligned..aligned + 4].copy_from_slice(&value.to_le_bytes());
            }
            _ => {
                // One structure's word over another's: plausible but wrong.
                let from = &targets.regions[random.below(targets.regions.len() as u64) as usize];
                let from = (from.start + random.below((from.len() - 4) as u64) as usize) & !3;
                image.copy_within(from..from + 4, aligned);
            }
        }
    }
    image
}

/// Reads everything that can be reached, within limits of its own.
fn read_everything(fs: &mut Mounted) -> Vec<(u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut pending = vec![fs.root()];
    while let Some(directory) = pending.pop() {
        let mut entries = Vec::new();
        let _ = fs.read_dir(directory, 0, |entry| {
            entries.push((entry.inode, entry.name.to_vec()));
            if entries.len() < 300 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        for (inode, name) in entries {
            let _ = fs.lookup(directory, &name);
            let is_dot = name == b"." || name == b"..";
            let Ok(stat) = fs.stat(inode) else { continue };
            match stat.kind {
                FileKind::Directory if !is_dot && found.len() < 400 => pending.push(inode),
                FileKind::Symlink => drop(fs.readlink(inode)),
                FileKind::Regular => {
                    let mut bytes = [0; 5_000];
                    for offset in [0, 19_000, stat.size / 2, stat.size.saturating_sub(5_000)] {
                        let _ = fs.read(inode, offset, &mut bytes);
                    }
                }
                _ => {}
            }
            if !is_dot {
                found.push((directory, name));
            }
        }
    }
    found
}

/// Changes what can be reached.
fn change_things(fs: &mut Mounted, names: &[(u32, Vec<u8>)], random: &mut Random) {
    let root = fs.root();
    let _ = fs.mkdir(root, b"new directory", PLAIN);
    if let Ok(inode) = fs.create(root, b"new", PLAIN) {
        let _ = fs.write(inode, 0, &[9; 30_000]);
        let _ = fs.write(inode, 1 << 28, &[9; 100]);
    }
    for (directory, name) in names.iter().take(80) {
        let result = match random.below(6) {
            0 => fs.unlink(*directory, name),
            1 => fs.rmdir(*directory, name),
            2 => fs.rename(*directory, name, root, b"renamed"),
            3 => fs
                .lookup(*directory, name)
                .and_then(|inode| fs.truncate(inode, 13_000)),
            4 => fs
                .lookup(*directory, name)
                .and_then(|inode| fs.link(inode, root, name)),
            _ => fs
                .lookup(*directory, name)
                .and_then(|inode| fs.write(inode, random.below(400_000), &[3; 2_000]))
                .map(|_| ()),
        };
        assert!(!matches!(result, Err(Error::ReadOnly)));
    }
    let _ = fs.sync();
}

fn run(targets: &Targets, seeds: std::ops::Range<u64>) -> (u32, Duration) {
    let (mut mounted, mut slowest) = (0, Duration::ZERO);
    for seed in seeds {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let store = MemoryStore::new(damage(targets, &mut random));
        let start = Instant::now();
        let clock: fn() -> u32 = || NOW_S;
        let options = MountOptions {
            read_only: false,
            cache_bytes: 256 * 1024,
        };
        if let Ok(mut fs) = Ext2::mount(store, clock, options) {
            mounted += 1;
            let names = read_everything(&mut fs);
            change_things(&mut fs, &names, &mut random);
            let _ = fs.unmount();
        }
        slowest = slowest.max(start.elapsed());
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "seed {seed}: {:?}",
            start.elapsed()
        );
    }
    (mounted, slowest)
}

#[test]
fn damaged_images_give_errors() {
    let count = if is_slow() { 60_000 } else { 1_000 };
    for (i, block_bytes) in [1024, 2048, 4096].into_iter().enumerate() {
        let targets = populated(block_bytes, 512 * block_bytes / 1024);
        let first = i as u64 * 1_000_000 + 1;
        let (mounted, slowest) = run(&targets, first..first + count);
        println!("{block_bytes}: {mounted} of {count} mounted, slowest {slowest:?}");
        assert!(
            u64::from(mounted) > count / 4,
            "most of the damage must get past the mount"
        );
    }
}

#[test]
fn a_truncated_or_blank_image_gives_errors() {
    let targets = populated(1024, 512);
    for length in (0..targets.image.len()).step_by(16 * 1024 + 512) {
        let store = MemoryStore::new(targets.image[..length].to_vec());
        assert!(Ext2::mount(store, clock(), MountOptions::default()).is_err());
    }
    for region in &targets.regions {
        let mut image = targets.image.clone();
        image[region.clone()].fill(0);
        let store = MemoryStore::new(image);
        let clock: fn() -> u32 = || NOW_S;
        if let Ok(mut fs) = Ext2::mount(store, clock, MountOptions::default()) {
            let names = read_everything(&mut fs);
            change_things(&mut fs, &names, &mut Random(5));
        }
    }
}
