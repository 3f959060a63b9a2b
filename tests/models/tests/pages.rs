//! A processor walks page tables while another CPU changes them.
#![forbid(unsafe_code)]

use core::ops::Range;
use std::collections::HashMap;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use models::machine::Permission;
use models::page_table::{FrameAccess, PageSize, PageTable};

const PAGE: usize = 4096;
const PRESENT: u64 = 1;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The page mapped, and its frame. Its entry is the first of every table, so that
/// the model has one word for each table.
const AT: usize = 0;
const FRAME: u64 = 0x7000_0000;

/// Frames for tables: the root and one for each level below.
const TABLES: u64 = 4;

/// Word of a table whose frame was given back.
const FREED: u64 = 0xdead_0000 | PRESENT;

/// Physical memory: the first word of each table.
struct Memory {
    words: HashMap<u64, AtomicU64>,
    /// Held by a processor during a walk: an interrupt that makes it forget comes
    /// before or after, never in between.
    walks: Mutex<()>,
}

/// How the CPU that changes the tables reaches them.
struct Access {
    memory: Arc<Memory>,
    free: Vec<u64>,
}

impl FrameAccess for Access {
    fn allocate(&mut self) -> Option<u64> {
        self.free.pop()
    }

    fn free(&mut self, frame: u64) {
        self.memory.words[&frame].store(FREED, Ordering::Relaxed);
        self.free.push(frame);
    }

    fn read(&self, frame: u64, index: usize) -> u64 {
        match index {
            0 => self.memory.words[&frame].load(Ordering::Relaxed),
            _ => 0,
        }
    }

    fn write(&mut self, frame: u64, index: usize, entry: u64) {
        match index {
            // As a processor's stores: in order.
            0 => self.memory.words[&frame].store(entry, Ordering::Release),
            _ => assert_eq!(entry, 0, "only the first page is mapped"),
        }
    }

    fn invalidate(&mut self, _: Range<usize>) {
        drop(self.memory.walks.lock().unwrap());
    }
}

impl Memory {
    /// What a processor finds when it translates the page.
    fn walk(&self, root: u64) -> Option<u64> {
        let _walk = self.walks.lock().unwrap();
        let mut table = root;
        for _ in 0..4 {
            let entry = self.words[&table].load(Ordering::Acquire);
            assert_ne!(entry, FREED, "walked through a frame that was given back");
            if entry & PRESENT == 0 {
                return None;
            }
            table = entry & ADDRESS;
        }
        Some(table)
    }
}

fn tables() -> (Arc<Memory>, PageTable<Access>) {
    let frames: Vec<u64> = (1..=TABLES).map(|number| number * PAGE as u64).collect();
    // What a frame held before is a table that leads nowhere.
    let word = |frame: &u64| (*frame, AtomicU64::new(FREED));
    let memory = Arc::new(Memory {
        words: frames.iter().map(word).collect(),
        walks: Mutex::new(()),
    });
    let access = Access {
        memory: Arc::clone(&memory),
        free: frames,
    };
    let table = PageTable::new(access).expect("there are frames");
    (memory, table)
}

fn map(table: &mut PageTable<Access>) {
    table
        .map(AT, FRAME, PAGE, Permission::ReadWrite, PageSize::Small)
        .expect("is free");
}

#[test]
fn a_walk_finds_a_mapping_whole_or_not_at_all() {
    models::check(|| {
        let (memory, mut table) = tables();
        let root = table.root();
        let walker = {
            let memory = Arc::clone(&memory);
            thread::spawn(move || memory.walk(root))
        };
        map(&mut table);
        let found = walker.join().unwrap();
        assert!(found.is_none_or(|frame| frame == FRAME), "{found:x?}");
        assert_eq!(memory.walk(root), Some(FRAME));
    });
}

#[test]
fn a_walk_never_meets_a_table_that_was_given_back() {
    models::check(|| {
        let (memory, mut table) = tables();
        let root = table.root();
        map(&mut table);
        let walker = {
            let memory = Arc::clone(&memory);
            thread::spawn(move || memory.walk(root))
        };
        table.unmap(AT, PAGE).expect("is mapped");
        let found = walker.join().unwrap();
        assert!(found.is_none_or(|frame| frame == FRAME), "{found:x?}");
        assert_eq!(memory.walk(root), None);
    });
}
