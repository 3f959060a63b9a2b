//! Damaged images: every answer but a panic, a hang or unbounded memory.

#![forbid(unsafe_code)]

mod anatomy;
mod operations;
#[path = "../support/mod.rs"]
mod support;
mod watch;
mod wounds;

use ext2::{Ext2, MountOptions};

use anatomy::Anatomy;
use operations::{change_things, read_everything, remove_everything, try_mount};
use support::*;
use watch::Watch;
use wounds::{WOUNDS, Wound};

/// Transfers that one image may cost: a loop that reads is found by them.
const TRANSFERS_MAX: u64 = 200_000;

/// Changes made to one image.
const CHANGES: usize = 60;

/// One image: wounded, read, changed, left in the middle, gone on with, mounted
/// again. Whether it could be mounted at all.
fn suffer(anatomy: &Anatomy, wounds: &[Wound], random: &mut Random) -> bool {
    let mut image = anatomy.image.clone();
    for wound in wounds {
        // Another one may have taken what this one wants to hit.
        if image.len() == anatomy.image.len() {
            wound(anatomy, &mut image, random);
        }
    }
    let store = MemoryStore::new(image);
    if let Some(mut fs) = try_mount(&store, true) {
        let names = read_everything(&mut fs);
        change_things(&mut fs, &names, random, 4);
        assert_eq!(store.control.writes.get(), 0, "mounted read-only");
    }
    let mounted = live(&store, random);
    let transfers = store.control.reads.get() + store.control.writes.get();
    assert!(transfers < TRANSFERS_MAX, "{transfers} transfers");
    mounted
}

fn live(store: &MemoryStore, random: &mut Random) -> bool {
    let Some(mut fs) = try_mount(store, false) else {
        return false;
    };
    let names = read_everything(&mut fs);
    let mut kept = change_things(&mut fs, &names, random, CHANGES);
    drop(fs);
    if random.below(2) == 0 {
        kept.damage(random);
    }
    if let Some(mut fs) = kept.resume(store) {
        change_things(&mut fs, &names, random, CHANGES / 4);
        let _ = fs.finish();
        let _ = fs.unmount();
    }
    if let Some(mut fs) = try_mount(store, false) {
        let names = read_everything(&mut fs);
        remove_everything(&mut fs, &names);
        let _ = fs.unmount();
    }
    true
}

/// So many images for each kind of damage, with `more` other wounds each.
fn run(block_bytes: u32, more: u64, count: u64) {
    let anatomy = Anatomy::of(block_bytes);
    let watch = Watch::new();
    for (name, wound) in WOUNDS {
        let mut mounted = 0;
        for seed in 1..=count {
            let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
            let mut wounds = vec![wound];
            for _ in 0..random.below(more + 1) {
                wounds.push(WOUNDS[random.below(WOUNDS.len() as u64) as usize].1);
            }
            let what = format!("{name}, blocks of {block_bytes} bytes, seed {seed}");
            mounted += u64::from(watch.over(&what, || suffer(&anatomy, &wounds, &mut random)));
        }
        println!("{block_bytes}, {name}: {mounted} of {count} mounted");
        assert!(
            mounted > count / 10,
            "{name}: enough of the damage must get past the mount"
        );
    }
    watch.report();
}

fn count() -> u64 {
    if is_slow() { 200 } else { 20 }
}

#[test]
fn one_wound_gives_errors() {
    for block_bytes in [1024, 2048, 4096] {
        run(block_bytes, 0, count());
    }
}

#[test]
fn many_wounds_give_errors() {
    for block_bytes in [1024, 2048, 4096] {
        run(block_bytes, 5, count());
    }
}

#[test]
fn a_truncated_or_blank_image_gives_errors() {
    let anatomy = Anatomy::of(1024);
    let watch = Watch::new();
    for length in (0..anatomy.image.len()).step_by(16 * 1024 + 512) {
        let store = MemoryStore::new(anatomy.image[..length].to_vec());
        assert!(Ext2::mount(store, clock(), MountOptions::default()).is_err());
    }
    for region in anatomy.regions() {
        let mut image = anatomy.image.clone();
        image[region.clone()].fill(0);
        let store = MemoryStore::new(image);
        watch.over(&format!("blank {region:?}"), || {
            live(&store, &mut Random(5))
        });
    }
}
