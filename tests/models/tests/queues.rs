//! CPUs add to each other's run queues and take from them.
#![forbid(unsafe_code)]

use core::ptr;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use loom::thread;
use models::claim::Claim;
use models::ready::{self, Ready};
use models::thread::Thread;

/// When all of it happens.
const NOW_NS: u64 = 1;

/// A thread that is to have one turn.
struct Task {
    thread: &'static Thread,
    /// Stands for the stack. Loom lets nobody use it beside another, or without
    /// seeing what the last one wrote.
    frames: UnsafeCell<()>,
    turns: AtomicUsize,
}

/// A thread as it is made; its queue has it for ever, as far as it knows.
fn new_thread(is_on_cpu: bool) -> &'static Thread {
    Box::leak(Box::new(Thread {
        on_cpu: Claim::new(is_on_cpu),
        cpu: AtomicUsize::new(0),
        allowed: AtomicU64::new(u64::MAX),
        next: AtomicPtr::new(ptr::null_mut()),
        priority: 1,
    }))
}

/// Three CPUs, the first of them busy, and some threads.
struct Machine<const TASKS: usize> {
    ready: [Ready; 3],
    /// Runs on the first CPU and is done.
    done: &'static Thread,
    tasks: [Task; TASKS],
}

impl<const TASKS: usize> Machine<TASKS> {
    /// Of the threads, those that `are_on_cpu` are; none is in a queue.
    fn new(are_on_cpu: [bool; TASKS]) -> Arc<Self> {
        let machine = Self {
            ready: [(); 3].map(|()| Ready::new()),
            done: new_thread(true),
            tasks: are_on_cpu.map(|is_on_cpu| Task {
                thread: new_thread(is_on_cpu),
                frames: UnsafeCell::new(()),
                turns: AtomicUsize::new(0),
            }),
        };
        machine.ready[0].note_running(machine.done);
        Arc::new(machine)
    }

    fn add(&self, task: usize, cpu: usize) {
        self.ready[cpu].add(self.tasks[task].thread);
    }

    /// A CPU runs what is next in its queue. True if something was.
    fn take_next(&self, cpu: usize) -> bool {
        let next = self.ready[cpu].take_next(self.done, NOW_NS);
        next.inspect(|next| self.run(next.thread)).is_some()
    }

    /// A CPU with nothing to do runs what waits in that of another.
    fn steal(&self, thief: usize, victim: usize) {
        if let Some(thread) = ready::steal(thief, [&self.ready[victim]].into_iter()) {
            self.run(thread);
        }
    }

    fn run(&self, thread: &Thread) {
        let is_this = |task: &&Task| ptr::eq(task.thread, thread);
        let task = self.tasks.iter().find(is_this).expect("it is one of them");
        task.frames.with_mut(|_| ());
        task.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// The thread leaves its CPU, as the end of a switch does.
    fn leave(&self, task: usize) {
        self.tasks[task].frames.with_mut(|_| ());
        self.tasks[task].thread.on_cpu.give_back();
    }

    /// Whatever still waits has its turn now; then all had one.
    fn assert_all_had_one_turn(&self) {
        for cpu in 0..self.ready.len() {
            while self.take_next(cpu) {}
        }
        for (number, task) in self.tasks.iter().enumerate() {
            let turns = task.turns.load(Ordering::Relaxed);
            assert_eq!(turns, 1, "thread {number} is lost or was run twice");
        }
    }
}

#[test]
fn a_cpu_and_a_thief_take_different_threads() {
    models::check(|| {
        let machine = Machine::new([false; 2]);
        machine.add(0, 0);
        machine.add(1, 0);
        let thief = {
            let machine = Arc::clone(&machine);
            thread::spawn(move || machine.steal(1, 0))
        };
        machine.take_next(0);
        thief.join().unwrap();
        machine.assert_all_had_one_turn();
    });
}

#[test]
fn what_is_added_while_others_take_is_not_lost() {
    models::check(|| {
        let machine = Machine::new([false; 2]);
        machine.add(0, 0);
        let thief = {
            let machine = Arc::clone(&machine);
            thread::spawn(move || machine.steal(1, 0))
        };
        let waker = {
            let machine = Arc::clone(&machine);
            thread::spawn(move || machine.add(1, 0))
        };
        machine.take_next(0);
        thief.join().unwrap();
        waker.join().unwrap();
        machine.assert_all_had_one_turn();
    });
}

#[test]
fn who_goes_back_into_its_queue_is_run_elsewhere_when_it_has_left() {
    models::check(|| {
        let machine = Machine::new([true, false]);
        machine.add(1, 0);
        let thief = {
            let machine = Arc::clone(&machine);
            thread::spawn(move || machine.steal(1, 0))
        };
        let this = machine.tasks[0].thread;
        machine.add(0, 0);
        let next = machine.ready[0].take_next(this, NOW_NS);
        match next.map(|next| next.thread) {
            // The thief has the other one: this one goes on.
            Some(next) if ptr::eq(next, this) => machine.run(this),
            Some(next) => {
                machine.leave(0);
                machine.run(next);
            }
            None => panic!("nobody but this CPU may take it as yet"),
        }
        thief.join().unwrap();
        machine.assert_all_had_one_turn();
    });
}

#[test]
fn who_binds_itself_to_a_cpu_is_run_by_no_other() {
    models::check(|| {
        let machine = Machine::new([true]);
        // Thieves leave the queue of an idle CPU alone.
        machine.ready[1].note_running(machine.done);
        let target = {
            let machine = Arc::clone(&machine);
            thread::spawn(move || machine.take_next(1))
        };
        let thief = {
            let machine = Arc::clone(&machine);
            thread::spawn(move || {
                machine.steal(2, 1);
                let cpu = machine.tasks[0].thread.cpu.load(Ordering::Relaxed);
                assert_ne!(cpu, 2, "stolen for a CPU it may not run on");
            })
        };
        // As `scheduler::bind`: it goes into the queue there before it has left.
        machine.tasks[0]
            .thread
            .allowed
            .store(1 << 1, Ordering::Relaxed);
        machine.add(0, 1);
        machine.leave(0);
        target.join().unwrap();
        thief.join().unwrap();
        machine.assert_all_had_one_turn();
    });
}
