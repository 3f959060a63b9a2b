//! The CPU that executes the calls.

use std::collections::HashMap;

use loom::sync::atomic::Ordering;
use models::abi::thread::{Continuation, CrossStatus, offset};
use models::assembly::{Memory, Processor, Program};
use models::sync::spin_until;

use crate::machine::Machine;
use crate::scenario::{
    CAME_BACK, CONTROL, COUNTERS, DOMAINS, INTERVAL, KERNEL, LOOPED, STACK, STACK_LIMIT, Scenario,
    UNWIND_FURTHER, WENT_ON, domain_of_slot, domain_of_table, slot_of,
};

/// What the thread's CPU reads and writes.
struct View<'a> {
    machine: &'a Machine,
    program: &'a Program,
    /// The thread's own memory, by four bytes.
    own: HashMap<u64, u64>,
    /// Those the thread has seen dead: it is about to leave them.
    seen_dead: [bool; DOMAINS],
    /// What the thread wants of the kernel.
    wanted: Option<u64>,
}

impl Memory for View<'_> {
    fn load(&mut self, address: u64, bytes: u32) -> u64 {
        if let Some(domain) = domain_of_slot(address) {
            let live = self.machine.live(domain);
            self.seen_dead[domain] |= live == 0;
            return live;
        }
        if let Some(domain) = domain_of_table(address) {
            self.machine.domains[domain].touch();
            let method = ["start", "a_method", "b_method"][domain];
            return self.program.address_of(method);
        }
        if address == INTERVAL {
            return 1;
        }
        let half = |at: u64| self.own.get(&at).copied().unwrap_or_default();
        match bytes {
            4 => half(address),
            _ => half(address) | half(address + 4) << 32,
        }
    }

    fn store(&mut self, address: u64, bytes: u32, value: u64) {
        assert!(domain_of_slot(address).is_none());
        self.own.insert(address, value & 0xffff_ffff);
        if bytes == 8 {
            self.own.insert(address + 4, value >> 32);
        }
    }

    fn touch(&mut self, what: u64) {
        match usize::try_from(what) {
            Ok(domain) if domain < DOMAINS => {
                assert!(!self.seen_dead[domain], "who was seen dead goes on");
                self.machine.domains[domain].touch();
            }
            _ => self.wanted = Some(what),
        }
    }
}

/// The CPU that executes the calls.
pub struct Caller<'a> {
    scenario: &'a Scenario,
    program: &'a Program,
    machine: &'a Machine,
    view: View<'a>,
    processor: Processor,
    /// An interrupt is to come again.
    is_put_off: bool,
    loops: u32,
}

/// What a caller keeps in `rbx` and `rbp`.
const KEPT: [u64; 2] = [0xb0b0, 0xb1b1];
const RDX: usize = 2;
const RBX: usize = 3;
const RSP: usize = 4;
const RBP: usize = 5;

impl<'a> Caller<'a> {
    pub fn new(scenario: &'a Scenario, program: &'a Program, machine: &'a Machine) -> Self {
        let view = View {
            machine,
            program,
            own: HashMap::new(),
            seen_dead: [false; DOMAINS],
            wanted: None,
        };
        let mut caller = Self {
            scenario,
            program,
            machine,
            view,
            processor: Processor::new(program.address_of("start"), STACK, CONTROL),
            is_put_off: false,
            loops: 0,
        };
        caller.set(offset::CURRENT, slot_of(KERNEL));
        caller.set(offset::CALL_LIMITS, STACK_LIMIT);
        caller.set(offset::COUNTERS, COUNTERS);
        // At zero a call is timed.
        let counter = if scenario.is_timed {
            1_u64.wrapping_neg()
        } else {
            1
        };
        caller.view.store(COUNTERS, 8, counter);
        let stub = if scenario.moves {
            "redleaf_cross_moving"
        } else {
            "redleaf_cross"
        };
        caller.set(offset::CROSS, program.address_of(stub));
        [
            caller.processor.registers[RBX],
            caller.processor.registers[RBP],
        ] = KEPT;
        caller
    }

    fn set(&mut self, field: usize, value: u64) {
        self.view.store(CONTROL + field as u64, 8, value);
    }

    fn word(&mut self, field: usize) -> u64 {
        self.view.load(CONTROL + field as u64, 8)
    }

    /// Executes everything; what came of the kernel's call.
    pub fn run(mut self) -> CrossStatus {
        loop {
            if self.may_be_interrupted()
                && (self.machine.interrupt.swap(false, Ordering::AcqRel) || self.is_put_off)
            {
                self.interrupt();
            }
            if !self.processor.step(self.program, &mut self.view) {
                break;
            }
            if let Some(function) = self.view.wanted.take() {
                self.call_kernel(function);
            }
        }
        assert_eq!(self.word(offset::CHAIN), 0, "the chain");
        assert_eq!(self.word(offset::CURRENT), slot_of(KERNEL), "the domain");
        let registers = &self.processor.registers;
        assert_eq!(registers[RSP], STACK, "the stack");
        assert_eq!([registers[RBX], registers[RBP]], KEPT, "registers");
        CrossStatus::of_outcome(registers[RDX])
    }

    /// Where an interrupt is tried: everywhere, but inside the stub, where it only
    /// leaves a word that the stub does not read, in one place of each way through.
    fn may_be_interrupted(&self) -> bool {
        let is_spared = self.scenario.spares_stub && self.is_in_stub();
        !is_spared || self.program.name_at(self.processor.rip) == "jmp"
    }

    /// As `interrupt::on_interrupt`.
    fn interrupt(&mut self) {
        self.is_put_off = false;
        let pending = CONTROL + offset::WORK_PENDING as u64;
        self.view.store(pending, 4, 1);
        let is_in_stub = self.scenario.spares_stub && self.is_in_stub();
        if !is_in_stub {
            self.answer();
        }
        let preempt_off = CONTROL + offset::PREEMPT_OFF as u64;
        if is_in_stub || self.view.load(preempt_off, 4) != 0 {
            self.is_put_off = self.scenario.comes_again;
        } else {
            self.come_back();
        }
    }

    fn is_in_stub(&self) -> bool {
        let start = self.program.address_of("redleaf_cross");
        let end = self.program.address_of("redleaf_cross_end");
        (start..end).contains(&self.processor.rip)
    }

    /// As `scan::answer`.
    fn answer(&mut self) {
        let machine = self.machine;
        machine.question.answer(|look| {
            for slot in self.held() {
                let domain = domain_of_slot(slot).expect("no slot");
                if machine.domains[domain]
                    .life
                    .slot()
                    .live
                    .load(Ordering::Relaxed)
                    == 0
                {
                    let held = &machine.domains[domain].held_look;
                    held.fetch_max(look, Ordering::Relaxed);
                }
            }
            machine.looked.fetch_max(look, Ordering::Release);
        });
    }

    /// As `crossing::for_each_held`.
    fn held(&mut self) -> Vec<u64> {
        let field = |name: usize| name as u64;
        let mut held = vec![self.word(offset::CURRENT)];
        let mut link = self.word(offset::CHAIN);
        while link != 0 {
            let caller = field(std::mem::offset_of!(Continuation, caller));
            let callee = field(std::mem::offset_of!(Continuation, callee));
            held.push(self.view.load(link + caller, 8));
            held.push(self.view.load(link + callee, 8));
            let previous = field(std::mem::offset_of!(Continuation, previous));
            link = self.view.load(link + previous, 8);
        }
        held
    }

    fn call_kernel(&mut self, function: u64) {
        match function {
            CAME_BACK => self.come_back(),
            UNWIND_FURTHER => {
                self.wait_until_quiet();
                self.processor.rip = self.program.address_of("redleaf_unwind");
            }
            LOOPED => self.see_loop(),
            WENT_ON => self.view.seen_dead = [false; DOMAINS],
            _ => panic!("no function {function}"),
        }
    }

    /// As `crossing::came_back_with_news` and the trampoline's end.
    fn come_back(&mut self) {
        let pending = CONTROL + offset::WORK_PENDING as u64;
        self.view.store(pending, 4, 0);
        if self.is_dead(offset::CURRENT) {
            self.wait_until_quiet();
            self.processor.rip = self.program.address_of("redleaf_unwind");
        }
    }

    fn is_dead(&mut self, field: usize) -> bool {
        let slot = self.word(field);
        self.view.load(slot, 8) == 0
    }

    /// As `crossing::wait_until_quiet`, for the newest domain.
    fn wait_until_quiet(&mut self) {
        let slot = self.word(offset::CURRENT);
        let domain = domain_of_slot(slot).expect("no slot");
        let life = &self.machine.domains[domain].life;
        spin_until(|| life.is_quiet());
    }

    /// Whoever goes round more often before the interrupt sees nothing new.
    fn see_loop(&mut self) {
        self.loops += 1;
        if self.loops > 2 {
            let machine = self.machine;
            spin_until(|| machine.interrupt.swap(false, Ordering::AcqRel));
            self.is_put_off = true;
        }
    }
}
