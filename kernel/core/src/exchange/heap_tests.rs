//! Property tests of the exchange heap's allocator against a model.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Mutex;

use abi::exchange::RETURNED;

use super::blocks::payload_of;
use super::*;
use proptest::prelude::*;

thread_local! {
    static CPU: Cell<usize> = const { Cell::new(0) };
}

/// Pages from the host, at most `limit` at a time.
#[derive(Default)]
struct HostPages {
    live: Mutex<HashMap<usize, usize>>,
    limit: usize,
}

fn layout(pages: usize) -> Layout {
    Layout::from_size_align(pages * PAGE_SIZE, PAGE_SIZE).unwrap()
}

impl Source for HostPages {
    fn allocate(&self, pages: usize) -> Option<*mut u8> {
        let mut live = self.live.lock().unwrap();
        if live.values().sum::<usize>() + pages > self.limit {
            return None;
        }
        // SAFETY: `pages` is not 0 here.
        let start = unsafe { alloc(layout(pages)) };
        // Garbage, as frames hold.
        // SAFETY: fresh memory of this size.
        unsafe { start.write_bytes(0xa5, pages * PAGE_SIZE) };
        live.insert(start as usize, pages);
        Some(start)
    }

    fn take(&self, _bytes: usize) {}

    fn free(&self, start: *mut u8, pages: usize, _: bool) {
        let known = self.live.lock().unwrap().remove(&(start as usize));
        assert_eq!(known, Some(pages), "pages are freed once and whole");
        // SAFETY: allocated above with this layout.
        unsafe { dealloc(start, layout(pages)) };
    }

    fn cpu(&self) -> usize {
        CPU.get()
    }
}

fn heap(limit: usize) -> Box<Heap<HostPages>> {
    Box::new(Heap::new(HostPages {
        live: Mutex::default(),
        limit,
    }))
}

fn request(size: usize, align: usize) -> ExchangeRequest {
    ExchangeRequest {
        size,
        align,
        length: size,
        fingerprint: 7,
    }
}

fn header_of<'a>(payload: *mut u8) -> &'a ObjectHeader {
    // SAFETY: called for live objects of the tests.
    unsafe { &*payload.cast::<ObjectHeader>().sub(1) }
}

#[test]
fn classes_are_tight_and_monotonic() {
    for size in 0..=64 * 1024 {
        let class = class_of(size).unwrap();
        assert!(payload_of(class) >= size.max(1));
        assert!(
            class == 0 || payload_of(class - 1) < size,
            "{size} fits a smaller class"
        );
    }
    assert_eq!(class_of(64 * 1024 + 1), None);
    assert_eq!(payload_of(class_of(4096).unwrap()), 4096);
}

/// One step of a random program.
#[derive(Clone, Debug)]
enum Step {
    Allocate {
        owner: u64,
        size: usize,
        align: usize,
    },
    Free(usize),
    Move {
        object: usize,
        to: u64,
    },
    Lend {
        object: usize,
        lender: u64,
    },
    /// The owner drops it: it goes back to a living lender, or is freed.
    GiveUp(usize),
    /// The lender asks for it.
    EndLoan {
        object: usize,
        forgive: bool,
    },
    Die(u64),
    Cpu(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![4 => 0..300_usize, 3 => 300..9000_usize, 1 => 9000..200_000_usize];
    let align = prop_oneof![4 => Just(8_usize), 1 => Just(64), 1 => Just(4096)];
    prop_oneof![
        8 => (1..5_u64, size, align).prop_map(|(owner, size, align)| Step::Allocate { owner, size, align }),
        4 => any::<usize>().prop_map(Step::Free),
        3 => (any::<usize>(), 1..5_u64).prop_map(|(object, to)| Step::Move { object, to }),
        3 => (any::<usize>(), 1..5_u64).prop_map(|(object, lender)| Step::Lend { object, lender }),
        3 => any::<usize>().prop_map(Step::GiveUp),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(object, forgive)| Step::EndLoan { object, forgive }),
        1 => (1..5_u64).prop_map(Step::Die),
        1 => (0..3_usize).prop_map(Step::Cpu),
    ]
}

/// An object as the model knows it.
struct Known {
    payload: *mut u8,
    size: usize,
    owner: u64,
    lender: u64,
    tag: u8,
}

fn fill(known: &Known) {
    // SAFETY: the object has this size.
    unsafe { known.payload.write_bytes(known.tag, known.size) };
}

fn check_contents(known: &Known) {
    // SAFETY: the object is live and was filled.
    let bytes = unsafe { core::slice::from_raw_parts(known.payload, known.size) };
    assert!(
        bytes.iter().all(|&byte| byte == known.tag),
        "objects overlap"
    );
    let header = header_of(known.payload);
    assert_eq!(header.size, known.size);
    assert_eq!(header.owner.load(Ordering::Relaxed), known.owner);
    assert_eq!(header.lender.load(Ordering::Relaxed), known.lender);
}

/// Whether an object goes back when its owner gives it up. Lender 4 is dead.
fn goes_back(known: &Known) -> bool {
    ![0, 4, RETURNED].contains(&known.lender)
}

fn give_up(heap: &Heap<HostPages>, model: &mut Vec<Known>, object: usize) {
    let index = object % model.len();
    let known = &mut model[index];
    // SAFETY: live; the model forgets it unless it goes back.
    unsafe { heap.give_up(known.payload, &|lender| lender != 4) };
    if goes_back(known) {
        known.owner = known.lender;
        known.lender = RETURNED;
    } else {
        model.swap_remove(index);
    }
}

fn run(steps: Vec<Step>, limit: usize) {
    let heap = heap(limit);
    let mut model: Vec<Known> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Allocate { owner, size, align } => {
                let payload = heap.allocate(&request(size, align), owner);
                if payload.is_null() {
                    continue;
                }
                assert!((payload as usize).is_multiple_of(align.max(64)));
                let tag = number as u8;
                let known = Known {
                    payload,
                    size,
                    owner,
                    lender: 0,
                    tag,
                };
                fill(&known);
                model.push(known);
            }
            Step::Free(object) if !model.is_empty() => {
                let known = model.swap_remove(object % model.len());
                check_contents(&known);
                // SAFETY: live, and forgotten by the model.
                unsafe { heap.free(known.payload) };
            }
            Step::Move { object, to } if !model.is_empty() => {
                let index = object % model.len();
                model[index].owner = to;
                header_of(model[index].payload)
                    .owner
                    .store(to, Ordering::Relaxed);
            }
            Step::Lend { object, lender } if !model.is_empty() => {
                let index = object % model.len();
                model[index].lender = lender;
                header_of(model[index].payload)
                    .lender
                    .store(lender, Ordering::Relaxed);
            }
            Step::GiveUp(object) if !model.is_empty() => give_up(&heap, &mut model, object),
            Step::EndLoan { object, forgive } if !model.is_empty() => {
                let index = object % model.len();
                let known = &mut model[index];
                // SAFETY: the object is live, and no other thread looks at it.
                let came_back = unsafe { heap.end_loan(known.payload, forgive) };
                assert_eq!(came_back, known.lender == RETURNED);
                if came_back || forgive {
                    known.lender = 0;
                }
            }
            Step::Die(owner) => die(&heap, &mut model, owner),
            Step::Cpu(cpu) => CPU.set(cpu),
            Step::Free(_)
            | Step::Move { .. }
            | Step::Lend { .. }
            | Step::GiveUp(_)
            | Step::EndLoan { .. } => {}
        }
        assert_eq!(heap.objects(), model.len() as u64);
    }
    model.iter().for_each(check_contents);
    for owner in 1..5 {
        heap.reclaim(owner, &|_| false, &mut |_| {});
    }
    assert_eq!(heap.objects(), 0);
    let large_pages = heap.source.live.lock().unwrap().values().sum::<usize>() as u64;
    assert_eq!(
        large_pages,
        heap.pages_held(),
        "only chunks of small blocks stay"
    );
    free_all(&heap);
}

/// A domain dies: the heap must agree with the model about every object.
fn die(heap: &Heap<HostPages>, model: &mut Vec<Known>, owner: u64) {
    // Lender 4 counts as dead.
    let mut shown = 0;
    let counted = heap.reclaim(owner, &|lender| lender != 4, &mut |_| shown += 1);
    let returned = model
        .iter()
        .filter(|known| known.owner == owner && goes_back(known))
        .count();
    let before = model.len();
    model.retain(|known| known.owner != owner || goes_back(known));
    let freed = before - model.len();
    assert_eq!(counted, (freed as u64, returned as u64));
    assert_eq!(shown, freed);
    for known in model.iter_mut().filter(|known| known.owner == owner) {
        known.owner = known.lender;
        known.lender = RETURNED;
    }
    model.iter().for_each(check_contents);
}

/// Gives the pages of an empty heap back to the host.
fn free_all(heap: &Heap<HostPages>) {
    for (start, pages) in heap.source.live.lock().unwrap().drain() {
        // SAFETY: nobody uses the heap any more.
        unsafe { dealloc(start as *mut u8, layout(pages)) };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_model(steps in prop::collection::vec(step(), 1..300)) {
        run(steps, 1 << 20);
    }

    #[test]
    fn agrees_with_the_model_when_memory_is_short(steps in prop::collection::vec(step(), 1..300)) {
        run(steps, 100);
    }
}

#[test]
fn a_look_that_is_broken_off_holds_nothing_back() {
    let heap = heap(1 << 20);
    let objects: Vec<_> = (0..20_000)
        .map(|_| heap.allocate(&request(4096, 8), 1))
        .collect();
    let mut seen = 0;
    let mut break_off = |_: &ObjectHeader| {
        seen += 1;
        match seen {
            7 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    assert!(heap.look(&mut break_off).is_break());
    assert_eq!(seen, 7);
    for payload in objects {
        // SAFETY: live and freed once.
        unsafe { heap.free(payload) };
    }
    // While a look is under way, chunks stay.
    assert!(heap.pages_held() < 200, "{} pages stay", heap.pages_held());
    free_all(&heap);
}

#[test]
fn empty_chunks_go_back() {
    let heap = heap(1 << 20);
    let objects: Vec<_> = (0..20_000)
        .map(|_| heap.allocate(&request(4096, 8), 1))
        .collect();
    let held = heap.pages_held();
    assert!(held >= 20_000);
    for payload in objects {
        // SAFETY: live and freed once.
        unsafe { heap.free(payload) };
    }
    assert!(
        heap.pages_held() < 200,
        "{} pages stay of {held}",
        heap.pages_held()
    );
    free_all(&heap);
}

#[test]
fn cpus_allocate_move_and_die_at_once() {
    let heap = &*Box::leak(heap(1 << 20));
    std::thread::scope(|scope| {
        for cpu in 0..4_usize {
            scope.spawn(move || {
                CPU.set(cpu);
                let owner = cpu as u64 + 1;
                let mut kept = Vec::new();
                for round in 0..2_000_usize {
                    let size = round * 37 % 5000;
                    let payload = heap.allocate(&request(size, 8), owner);
                    // SAFETY: the object has this size.
                    unsafe { payload.write_bytes(cpu as u8, size) };
                    kept.push(payload);
                    if round % 3 == 0 {
                        let payload = kept.swap_remove(round % kept.len());
                        // SAFETY: live and freed once.
                        unsafe { heap.free(payload) };
                    }
                    if round % 500 == 499 {
                        let (freed, returned) = heap.reclaim(owner, &|_| false, &mut |_| {});
                        assert_eq!((freed, returned), (kept.len() as u64, 0));
                        kept.clear();
                    }
                }
            });
        }
    });
    assert_eq!(heap.objects(), 0);
}
