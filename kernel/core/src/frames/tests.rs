//! The frame allocator against a map of frames.

use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const FRAMES: usize = 300;

fn range(first: usize, end: usize) -> PhysicalRange {
    PhysicalRange {
        start: address(first),
        end: address(end),
    }
}

/// Free lists and records agree, and no two free buddies are unmerged.
fn check_lists(allocator: &FrameAllocator<'_>) {
    let mut linked = 0;
    for order in 0..ORDERS {
        let mut at = allocator.common.heads[order];
        assert_eq!(at == NONE, allocator.common.non_empty & (1 << order) == 0);
        let mut previous = NONE;
        while at != NONE {
            let frame = allocator.frames[at as usize];
            assert_eq!(frame.state, State::FreeBlock(order_byte(order)));
            assert_eq!(frame.previous, previous);
            assert_eq!(at as usize % (1 << order), 0, "blocks are aligned");
            for inside in at as usize + 1..at as usize + (1 << order) {
                assert_eq!(allocator.frames[inside].state, State::FreeInside);
            }
            if let Some(buddy) = allocator.frames.get(at as usize ^ (1 << order)) {
                assert_ne!(buddy.state, State::FreeBlock(order_byte(order)));
            }
            linked += 1 << order;
            (previous, at) = (at, frame.next);
        }
    }
    assert_eq!(linked, allocator.total - allocator.used);
}

#[derive(Clone, Debug)]
enum Step {
    Allocate(usize),
    /// Free all or the first part of one of the live runs.
    Free(prop::sample::Index, prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop_oneof![4 => 1..10_usize, 1 => 10..200_usize].prop_map(Step::Allocate),
        any::<(prop::sample::Index, prop::sample::Index)>()
            .prop_map(|(run, part)| Step::Free(run, part)),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_map_of_frames(steps in prop::collection::vec(step(), 0..200)) {
        let mut records = vec![Frame::ABSENT; FRAMES];
        let mut allocator = FrameAllocator::new(&mut records);
        allocator.add(range(0, 100));
        allocator.add(range(120, FRAMES));
        let usable = |frame: usize| (1..100).contains(&frame) || (120..FRAMES).contains(&frame);
        prop_assert_eq!(allocator.total, 279);
        let mut in_use = vec![false; FRAMES];
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for step in steps {
            match step {
                Step::Allocate(pages) => {
                    let size = pages.next_power_of_two();
                    let fits = |first: usize| (first..first + size)
                        .all(|frame| frame < FRAMES && usable(frame) && !in_use[frame]);
                    let possible = (0..FRAMES).step_by(size).any(fits);
                    let answer = allocator.allocate(pages);
                    prop_assert_eq!(answer.is_some(), possible);
                    let Some(start) = answer else { continue };
                    let first = frame_number(start);
                    prop_assert_eq!(first % size, 0);
                    let fresh = |frame| usable(frame) && !in_use[frame];
                    prop_assert!((first..first + pages).all(fresh));
                    in_use[first..first + pages].fill(true);
                    runs.push((first, pages));
                }
                Step::Free(run, part) if !runs.is_empty() => {
                    let (first, pages) = runs.swap_remove(run.index(runs.len()));
                    let freed = part.index(pages) + 1;
                    allocator.free(address(first), freed);
                    in_use[first..first + freed].fill(false);
                    if freed < pages {
                        runs.push((first + freed, pages - freed));
                    }
                }
                Step::Free(..) => {}
            }
            prop_assert_eq!(allocator.used, in_use.iter().filter(|used| **used).count() as u64);
            check_lists(&allocator);
        }
        for (first, pages) in runs {
            allocator.free(address(first), pages);
        }
        check_lists(&allocator);
        prop_assert_eq!(allocator.used, 0);
        prop_assert!(allocator.allocate(128).is_some(), "all blocks merged again");
    }
}

#[test]
fn sealed_chunks_stay_apart_from_their_neighbours() {
    let mut records = vec![Frame::ABSENT; 4 * 512];
    let mut allocator = FrameAllocator::new(&mut records);
    allocator.add(range(512, 1024));
    allocator.add(range(1536, 2048));
    // The machine has used two frames of a chunk between the free ones.
    allocator.add_sealed(SealedMemory {
        all: range(1024, 1536),
        free: range(1026, 1536),
    });
    assert_eq!((allocator.total, allocator.used), (1536, 512));
    assert_eq!((allocator.common.free, allocator.sealed.free), (1024, 510));
    let text = allocator.take(Zone::Sealed, 200).expect("there is room");
    assert_eq!(allocator.take_free_chunk(), None);
    assert_eq!(allocator.allocate(1024), None);
    allocator.give_back(Zone::Sealed, text, 200);
    assert_eq!(allocator.sealed.free, 510);
    assert_eq!(allocator.take_free_chunk(), None, "two frames are in use");
    allocator.give_back(Zone::Sealed, address(1024), 2);
    // Free chunks on both sides are not merged with it, until it is given back.
    assert_eq!(allocator.allocate(1024), None);
    let chunk = allocator.take_free_chunk().expect("all of it is free");
    assert_eq!((chunk, allocator.sealed.free), (address(1024), 0));
    allocator.free(chunk, 512);
    assert!(allocator.allocate(1024).is_some());
}

#[test]
fn what_is_kept_for_services_is_nobody_elses_and_comes_back_to_them() {
    const ALL: usize = 16 * 512;
    let mut records = vec![Frame::ABSENT; ALL];
    let mut allocator = FrameAllocator::new(&mut records);
    allocator.add(range(512, ALL));
    allocator.keep_for_services();
    let kept = allocator.kept.clone();
    assert_eq!((kept.len(), kept.start % 512), (512, 0));
    assert_eq!((allocator.used, allocator.services.free), (512, 512));
    // Programs take all there is, in pieces, and give back what lies around.
    let mut taken = Vec::new();
    while let Some(frame) = allocator.allocate(1) {
        assert!(!kept.contains(&frame_number(frame)));
        taken.push(frame);
    }
    assert_eq!(taken.len(), 14 * 512);
    let run = allocator.take(Zone::Services, 200).expect("it is kept");
    assert!(kept.contains(&frame_number(run)));
    for frame in taken {
        allocator.free(frame, 1);
    }
    allocator.free(run, 150);
    allocator.free(run + 150 * PAGE_SIZE, 50);
    assert_eq!((allocator.used, allocator.services.free), (512, 512));
    check_lists(&allocator);
    assert!(
        allocator.take(Zone::Services, 512).is_none(),
        "halves at most"
    );
}

#[test]
fn a_small_machine_keeps_nothing_for_services() {
    let mut records = vec![Frame::ABSENT; 4096];
    let mut allocator = FrameAllocator::new(&mut records);
    allocator.add(range(1, 4096));
    allocator.keep_for_services();
    assert_eq!((allocator.kept.len(), allocator.used), (0, 0));
}

#[test]
fn refuses_what_cannot_be() {
    let mut records = vec![Frame::ABSENT; 16];
    let mut allocator = FrameAllocator::new(&mut records);
    allocator.add(range(0, 100));
    assert_eq!(allocator.total, 15);
    assert_eq!(allocator.allocate(0), None);
    assert_eq!(allocator.allocate(16), None);
    assert_eq!(allocator.allocate(usize::MAX), None);
    assert!(allocator.allocate(8).is_some());
}

#[test]
#[should_panic(expected = "freed frames are in use")]
fn notices_a_second_free() {
    let mut records = vec![Frame::ABSENT; 16];
    let mut allocator = FrameAllocator::new(&mut records);
    allocator.add(range(0, 16));
    let start = allocator.allocate(2).expect("the memory is free");
    allocator.free(start, 2);
    allocator.free(start, 1);
}

#[test]
fn places_its_records_in_the_largest_range() {
    let free = [range(0, 16), range(32, 4096)];
    let (records, place) = place_records(&free, SealedMemory::NONE).expect("there is room");
    assert_eq!(records, 4096);
    assert_eq!((place.start, place.end), (address(32), address(32 + 12)));
    assert!(place_records(&[range(0, 1)], SealedMemory::NONE).is_none());
    assert!(place_records(&[], SealedMemory::NONE).is_none());
}

#[test]
fn manages_memory_through_the_direct_map() {
    let memory = vec![0_u8; 64 * abi::PAGE_SIZE].leak();
    let base = (memory.as_ptr() as usize).next_multiple_of(abi::PAGE_SIZE);
    // SAFETY: the leaked bytes are ours for ever; the last page is left out
    // to make up for the alignment.
    unsafe { init(base, &[range(0, 63)], SealedMemory::NONE) };
    // 63 pages without page 0 and one page of records.
    assert_eq!((used(), total()), (0, 61));
    let frame = allocate_reserved(1).expect("the memory is free");
    let run = allocate(16).expect("the memory is free");
    assert_eq!(used(), 17);
    assert_eq!(run % (16 * PAGE_SIZE), 0);
    free(frame, 1);
    free(run, 16);
    assert_eq!(used(), 0);
    // What was promised is left alone, and free again when it is not wanted.
    let promise = promise(60).expect("the memory is free");
    assert!(allocate(2).is_none());
    let frame = allocate_reserved(1).expect("it was promised");
    drop(promise);
    assert!(allocate(2).is_some_and(|run| used() == 3 && {
        free(run, 2);
        true
    }));
    free(frame, 1);
    assert_eq!(used(), 0);
}
