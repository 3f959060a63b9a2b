//! Faults made on purpose: how a thread ends the domain it executes in.
//!
//! The faulting instructions are executed by a thread in the domain, at the
//! moment it leaves a kernel service or is interrupted, so detection, record
//! and unwinding are those of a real fault.

use core::sync::atomic::Ordering;

use abi::death::InjectedFault;
use abi::services::DomainState;
use abi::status::ServiceError;

use crate::domain::Domain;
use crate::image;
use crate::machine::Permission;
use crate::thread::{self, Spawn, ThreadState};

core::arch::global_asm!(
    ".globl redleaf_fault_null",
    ".globl redleaf_fault_recursion",
    ".globl redleaf_fault_loop",
    ".globl redleaf_fault_illegal",
    ".globl redleaf_fault_store",
    ".globl redleaf_fault_end",
    ".type redleaf_fault_null, @function",
    ".type redleaf_fault_recursion, @function",
    ".type redleaf_fault_loop, @function",
    ".type redleaf_fault_illegal, @function",
    ".type redleaf_fault_store, @function",
    "redleaf_fault_null:",
    "push rbp",
    "mov rbp, rsp",
    "xor eax, eax",
    "mov rax, qword ptr [rax]",
    "pop rbp",
    "ret",
    "redleaf_fault_recursion:",
    "push rbp",
    "mov rbp, rsp",
    "sub rsp, 256",
    "call redleaf_fault_recursion",
    "leave",
    "ret",
    "redleaf_fault_loop:",
    "push rbp",
    "mov rbp, rsp",
    "2: jmp 2b",
    "redleaf_fault_illegal:",
    "push rbp",
    "mov rbp, rsp",
    "ud2",
    // Stores what is there, so that one which does not fault changes nothing.
    "redleaf_fault_store:",
    "push rbp",
    "mov rbp, rsp",
    "mov al, byte ptr [rdi]",
    "mov byte ptr [rdi], al",
    "pop rbp",
    "ret",
    "redleaf_fault_end:",
    ".size redleaf_fault_null, redleaf_fault_recursion - redleaf_fault_null",
    ".size redleaf_fault_recursion, redleaf_fault_loop - redleaf_fault_recursion",
    ".size redleaf_fault_loop, redleaf_fault_illegal - redleaf_fault_loop",
    ".size redleaf_fault_illegal, redleaf_fault_store - redleaf_fault_illegal",
    ".size redleaf_fault_store, redleaf_fault_end - redleaf_fault_store",
);

unsafe extern "sysv64" {
    fn redleaf_fault_null();
    fn redleaf_fault_recursion();
    fn redleaf_fault_loop();
    fn redleaf_fault_illegal();
    fn redleaf_fault_store(at: usize);
    fn redleaf_fault_end();
}

/// Whether an instruction pointer lies in the faulting functions.
#[must_use]
pub fn is_injected(rip: usize) -> bool {
    (redleaf_fault_null as *const () as usize..redleaf_fault_end as *const () as usize)
        .contains(&rip)
}

/// Makes a domain crash: on a thread that executes or waits in it, or a fresh
/// one.
///
/// # Errors
/// `Dead`, `NoMemory` when no thread can be made.
pub(crate) fn strike_anybody(domain: &'static Domain, number: u32) -> Result<(), ServiceError> {
    if domain.state() != DomainState::Running {
        return Err(ServiceError::Dead);
    }
    let mut has_victim = false;
    // Woken while the list is locked: later it may have ended and be freed.
    thread::for_each(|thread| {
        // SAFETY: a racy look at a pointer; the victim looks again itself.
        let current = unsafe { (*thread.control()).current };
        let is_inside =
            core::ptr::eq(current, domain.slot()) && !core::ptr::eq(thread, thread::current());
        if !has_victim && is_inside && thread.state() != ThreadState::Ended {
            thread
                .injected
                .store(word(domain, number), Ordering::Release);
            crate::scheduler::wake(thread);
            has_victim = true;
        }
    });
    if has_victim {
        return Ok(());
    }
    let argument = number as usize as *mut ();
    let spawn = Spawn {
        name: abi::note::name("injected fault"),
        priority: thread::PRIORITY_NORMAL,
        slot: domain.slot(),
        generation: domain.generation(),
        home: domain.id(),
        function: commit_argument,
        argument,
        stack_bytes: 0,
    };
    // SAFETY: the function takes a number and touches nothing of the domain's.
    unsafe { thread::spawn(&spawn) }.map(|_| ())
}

unsafe extern "sysv64" fn commit_argument(argument: *mut ()) {
    commit(argument as usize as u32);
}

/// Domain and fault in one word that is not 0.
pub(crate) fn word(domain: &Domain, number: u32) -> u64 {
    domain.id() << NUMBER_BITS | u64::from(number)
}

/// Owner id and number of a [`word`].
pub(crate) const fn parts(word: u64) -> (u64, u32) {
    (
        word >> NUMBER_BITS,
        (word & ((1 << NUMBER_BITS) - 1)) as u32,
    )
}

/// Bits for the fault's number in an injected word; the rest is the owner id.
const NUMBER_BITS: u32 = 4;

/// Commits the fault that was injected into the current thread, if it executes
/// in the domain that is meant. If it has left that one meanwhile, another
/// thread has to do it.
pub fn commit_pending() {
    let thread = thread::current();
    let current = crate::domain::current();
    if thread.injected.load(Ordering::Relaxed) == 0 || current.is_kernel() {
        return;
    }
    let word = thread.injected.swap(0, Ordering::AcqRel);
    let (id, number) = parts(word);
    if current.id() == id {
        commit(number);
    } else if let Some(domain) = crate::domain::find(id) {
        // If that fails, the domain is dead or memory has run out: whoever
        // wanted it to crash sees that it did not.
        let _ = undisturbed(|| strike_anybody(domain, number));
    }
}

/// Does the kernel's work at the end of a service, where the thread could be brought out
/// of a domain that dies: the stack of a thread that is just being made would be lost.
fn undisturbed<R>(work: impl FnOnce() -> R) -> R {
    let control = thread::control();
    // SAFETY: the control block is the running thread's own.
    unsafe { (*control).kernel_depth += 1 };
    let result = work();
    // SAFETY: as above.
    unsafe { (*control).kernel_depth -= 1 };
    result
}

fn commit(number: u32) {
    thread::current().is_faulty.store(true, Ordering::Relaxed);
    // SAFETY: the functions end the domain the thread executes in and touch
    // nothing else.
    unsafe {
        match InjectedFault::from_number(number) {
            Some(InjectedFault::Panic) => crate::death::panicked(b"injected panic"),
            Some(InjectedFault::NullDereference) => redleaf_fault_null(),
            Some(InjectedFault::StackOverflow) => redleaf_fault_recursion(),
            Some(InjectedFault::EndlessLoop) => redleaf_fault_loop(),
            Some(InjectedFault::IllegalInstruction) => redleaf_fault_illegal(),
            Some(
                fault @ (InjectedFault::WildWrite
                | InjectedFault::WildAlias
                | InjectedFault::WildConstants
                | InjectedFault::WildTable),
            ) => redleaf_fault_store(store_target(fault)),
            Some(InjectedFault::AllocationFailure) => exceed_quota(),
            _ => {}
        }
    }
}

/// Where a wild store goes.
fn store_target(fault: InjectedFault) -> usize {
    match fault {
        InjectedFault::WildAlias => image::first_shared(Permission::ReadExecute),
        InjectedFault::WildConstants => image::first_shared(Permission::Read),
        InjectedFault::WildTable => crate::machine::get()
            .page_table()
            .unwrap_or_else(|| crate::boot::archive().as_ptr() as usize),
        _ => redleaf_fault_store as *const () as usize,
    }
}

/// Asks for a page when the quota leaves none.
fn exceed_quota() {
    crate::domain::current().exhaust_quota();
    crate::services::pages_map(1);
}
