//! Random map, unmap and protect sequences against a flat model of pages.
//!
//! Memory is modelled too: tables come out of a limited supply, and a
//! translation cache keeps what it saw until it is told to forget.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;

use super::*;

/// Pages of the area under test: three large pages and a bit, around the border
/// of two tables of level 2, and of level 3 where that is possible.
const AREA_PAGES: usize = 3 * 512 + 40;
const AREAS: [usize; 3] = [(1 << 30) - LARGE - 16 * SMALL, (1 << 39) - LARGE, HOLE.end];

#[derive(Default)]
struct Memory {
    tables: HashMap<u64, Box<[u64; ENTRIES]>>,
    next: u64,
    supply: usize,
    /// Virtual page to what a processor would still believe.
    cached: HashMap<usize, (u64, Permission)>,
    /// Table pointers a processor may still follow.
    known_tables: HashSet<u64>,
}

impl FrameAccess for Memory {
    fn allocate(&mut self) -> Option<u64> {
        if self.tables.len() >= self.supply {
            return None;
        }
        self.next += SMALL as u64;
        self.tables
            .insert(self.next, Box::new([0xdead_beef_dead_beef; ENTRIES]));
        Some(self.next)
    }

    fn free(&mut self, frame: u64) {
        assert!(
            !self.known_tables.contains(&frame),
            "freed a table that is still known"
        );
        self.tables.remove(&frame).expect("freed once");
    }

    fn read(&self, frame: u64, index: usize) -> u64 {
        self.tables[&frame][index]
    }

    fn write(&mut self, frame: u64, index: usize, entry: u64) {
        let table = self
            .tables
            .get_mut(&frame)
            .expect("writes to allocated tables only");
        table[index] = entry;
    }

    fn invalidate(&mut self, range: Range<usize>) {
        self.cached.retain(|page, _| !range.contains(page));
        self.known_tables.clear();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Map {
        page: usize,
        pages: usize,
        frame: usize,
        permission: Permission,
        large: bool,
    },
    Unmap {
        page: usize,
        pages: usize,
    },
    Protect {
        page: usize,
        pages: usize,
        permission: Permission,
    },
    /// The processor touches pages and remembers.
    Touch {
        page: usize,
        pages: usize,
    },
    /// Frames for tables run out, or are there again.
    Supply(usize),
}

fn permission() -> impl Strategy<Value = Permission> {
    prop_oneof![
        Just(Permission::Read),
        Just(Permission::ReadWrite),
        Just(Permission::ReadExecute),
        Just(Permission::Device),
    ]
}

/// Any run of pages, with a liking for the borders of large pages.
fn run() -> impl Strategy<Value = (usize, usize)> {
    let page = prop_oneof![0..AREA_PAGES, Just(16), Just(528), Just(512), Just(0)];
    let pages = prop_oneof![1..40usize, 1..AREA_PAGES, Just(512), Just(1024)];
    (page, pages).prop_map(|(page, pages)| (page, pages.min(AREA_PAGES - page)))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (run(), 0..4096usize, permission(), any::<(bool, bool)>()).prop_map(
            |((page, pages), frame, permission, (large, congruent))| Step::Map {
                page,
                pages,
                frame: if congruent { page } else { frame },
                permission,
                large,
            }
        ),
        3 => run().prop_map(|(page, pages)| Step::Unmap { page, pages }),
        2 => (run(), permission())
            .prop_map(|((page, pages), permission)| Step::Protect { page, pages, permission }),
        2 => run().prop_map(|(page, pages)| Step::Touch { page, pages }),
        1 => prop_oneof![Just(1000usize), 1..12usize].prop_map(Step::Supply),
    ]
}

/// The flat model: page number in the area to frame number and permission.
type Model = BTreeMap<usize, (usize, Permission)>;

/// Frame number 0 of the tests; aligned like the area, so that `frame == page`
/// allows large pages.
fn base_frame(area: usize) -> u64 {
    (64 << 30) + (area % LARGE) as u64
}

fn physical(area: usize, frame: usize) -> u64 {
    base_frame(area) + (frame * SMALL) as u64
}

fn apply(table: &mut PageTable<Memory>, model: &mut Model, area: usize, step: Step) {
    let at = |page: usize| area + page * SMALL;
    match step {
        Step::Map {
            page,
            pages,
            frame,
            permission,
            large,
        } => {
            let size = if large {
                PageSize::Large
            } else {
                PageSize::Small
            };
            let result = table.map(
                at(page),
                physical(area, frame),
                pages * SMALL,
                permission,
                size,
            );
            let taken = model.range(page..page + pages).next().is_some();
            assert_eq!(taken, result == Err(MapError::BadRange));
            if result.is_ok() {
                model.extend((0..pages).map(|i| (page + i, (frame + i, permission))));
            }
        }
        Step::Unmap { page, pages } => {
            if table.unmap(at(page), pages * SMALL).is_ok() {
                model.retain(|mapped, _| !(page..page + pages).contains(mapped));
            }
        }
        Step::Protect {
            page,
            pages,
            permission,
        } => {
            let result = table.protect(at(page), pages * SMALL, permission);
            let full = model.range(page..page + pages).count() == pages;
            assert_eq!(!full, result == Err(MapError::BadRange));
            if result.is_ok() {
                model
                    .range_mut(page..page + pages)
                    .for_each(|(_, mapped)| mapped.1 = permission);
            }
        }
        Step::Touch { page, pages } => {
            for at in (page..page + pages).map(at) {
                if let Some(seen) = table.translate(at) {
                    table.access().cached.insert(at, seen);
                }
            }
            let memory = table.access();
            memory.known_tables = memory.tables.keys().copied().collect();
        }
        Step::Supply(supply) => table.access().supply = supply,
    }
}

fn check(table: &mut PageTable<Memory>, model: &Model, area: usize) {
    for page in 0..AREA_PAGES {
        let expected = model
            .get(&page)
            .map(|&(frame, rights)| (physical(area, frame), rights));
        let at = area + page * SMALL;
        assert_eq!(table.translate(at), expected, "page {page}");
        if let Some(&stale) = table.access().cached.get(&at) {
            assert_eq!(
                Some(stale),
                expected,
                "page {page} in the translation cache"
            );
        }
    }
    let tables = count_tables(table, table.root, ROOT_LEVEL);
    assert_eq!(
        tables,
        table.access().tables.len(),
        "every allocated table is linked"
    );
}

/// Counts the tables that can be reached; none but the root may be empty.
fn count_tables(table: &PageTable<Memory>, frame: u64, level: u32) -> usize {
    let mut entries = 0;
    let mut tables = 1;
    for index in 0..ENTRIES {
        let entry = table.access.read(frame, index);
        if entry & bit::PRESENT == 0 {
            assert_eq!(entry, 0);
            continue;
        }
        entries += 1;
        if is_leaf(level, entry) {
            assert!(
                entry & bit::WRITE == 0 || entry & bit::NO_EXECUTE != 0,
                "W^X"
            );
        } else {
            tables += count_tables(table, entry & bit::ADDRESS, level - 1);
        }
    }
    assert!(
        level == ROOT_LEVEL || entries > 0,
        "an empty table at level {level}"
    );
    tables
}

fn empty() -> PageTable<Memory> {
    PageTable::new(Memory {
        supply: 1000,
        ..Memory::default()
    })
    .expect("one frame is there")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sequences_match_the_model(
        area in proptest::sample::select(AREAS.to_vec()),
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let mut table = empty();
        let mut model = Model::new();
        for step in steps {
            apply(&mut table, &mut model, area, step);
            check(&mut table, &model, area);
        }
        table.access().supply = 0;
        table.unmap(area, AREA_PAGES * SMALL).expect("ends on borders of mappings");
        prop_assert_eq!(table.access().tables.len(), 1);
    }
}

#[test]
fn large_pages_are_used_and_split_in_place() {
    let mut table = empty();
    table
        .map(0, 0, 4 * LARGE, Permission::ReadWrite, PageSize::Large)
        .expect("free");
    // Root and one table of level 3 and 2.
    assert_eq!(table.access().tables.len(), 3);
    table.unmap(0, SMALL).expect("one table for the split");
    assert_eq!(table.access().tables.len(), 4);
    assert_eq!(table.translate(0), None);
    let last = LARGE as u64 - 1;
    assert_eq!(
        table.translate(LARGE - 1),
        Some((last, Permission::ReadWrite))
    );
}

#[test]
fn bad_ranges_are_refused() {
    let mut table = empty();
    let bad = [
        (1, SMALL),
        (SMALL, 1),
        (HOLE.start, SMALL),
        (HOLE.start - SMALL, 2 * SMALL),
        (HOLE.end - SMALL, SMALL),
        (usize::MAX - SMALL + 1, SMALL),
    ];
    for (at, length) in bad {
        let result = table.map(at, 0, length, Permission::Read, PageSize::Small);
        assert_eq!(result, Err(MapError::BadRange), "{at:#x}+{length:#x}");
        assert_eq!(table.translate(at & !1), None);
    }
    let unaligned = table.map(SMALL, 17, SMALL, Permission::Read, PageSize::Small);
    assert_eq!(unaligned, Err(MapError::BadRange));
    assert_eq!(table.access().tables.len(), 1);
}
