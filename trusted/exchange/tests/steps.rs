//! A crossing, interrupted at each of its instructions.
#![expect(missing_docs, reason = "a test has no readers of documentation")]

use std::arch::asm;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};

use abi::thread::{Continuation, DomainSlot, offset};
use exchange::host::{Domain, adopt, is_in_stub, objects_of, reclaim, total_objects, unwinder};
use exchange::{Proxy, RRef, RpcResult, interface};

#[interface]
pub trait Service {
    fn nothing(&self) -> RpcResult<()>;
    fn add(&self, to: u64, what: u64) -> RpcResult<u64>;
    fn move_there_and_back(&self, object: RRef<u64>) -> RpcResult<RRef<u64>>;
    fn move_much(&self, objects: [RRef<u64>; 4]) -> RpcResult<[RRef<u64>; 4]>;
}

struct Callee;

impl Service for Callee {
    fn nothing(&self) -> RpcResult<()> {
        Ok(())
    }
    fn add(&self, to: u64, what: u64) -> RpcResult<u64> {
        Ok(to + what)
    }
    fn move_there_and_back(&self, object: RRef<u64>) -> RpcResult<RRef<u64>> {
        Ok(object)
    }
    fn move_much(&self, objects: [RRef<u64>; 4]) -> RpcResult<[RRef<u64>; 4]> {
        Ok(objects)
    }
}

/// Trap flag of the processor: an exception after each instruction (SDM vol. 1, 3.4.3).
const TRAP_FLAG: i64 = 1 << 8;

/// The slots of caller and callee.
static CALLER: AtomicUsize = AtomicUsize::new(0);
static CALLEE: AtomicUsize = AtomicUsize::new(0);
/// At which instruction between caller and caller the callee dies, and how many
/// were seen.
static FATAL: AtomicU32 = AtomicU32::new(0);
static SEEN: AtomicU32 = AtomicU32::new(0);
/// Instructions seen of the way back, when the chain still names the callee.
static SEEN_LEAVING: AtomicU32 = AtomicU32::new(0);
static WAS_UNWOUND: AtomicBool = AtomicBool::new(false);
static WAS_INCOMPLETE: AtomicBool = AtomicBool::new(false);

macro_rules! control_word {
    ($field:expr) => {{
        let value: usize;
        // SAFETY: reads a field of this thread's control block.
        unsafe {
            asm!(
                "mov {value}, qword ptr gs:[{field}]",
                field = const $field,
                value = lateout(reg) value,
                options(nostack, readonly, preserves_flags)
            );
        }
        value
    }};
}

/// What the kernel would do if it interrupted the thread here, and if the callee had
/// died at instruction number [`FATAL`].
extern "C" fn on_trap(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: Linux passes the interrupted registers, which are nobody else's.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let rip = registers[libc::REG_RIP as usize] as usize;
    let (caller, callee) = (CALLER.load(SeqCst), CALLEE.load(SeqCst));
    let chain = control_word!(offset::CHAIN) as *const Continuation;
    let current = control_word!(offset::CURRENT);
    if is_in_stub(rip) || (current == caller && chain.is_null()) {
        return;
    }
    // SAFETY: the chain is null or names a continuation on this stack.
    let is_complete = unsafe { chain.as_ref() }.is_some_and(|link| {
        link.previous.is_null() && link.caller.addr() == caller && link.entered().addr() == callee
    });
    if !is_complete || (current != caller && current != callee) {
        WAS_INCOMPLETE.store(true, SeqCst);
    }
    if current == caller {
        SEEN_LEAVING.fetch_add(1, SeqCst);
    }
    let slot = callee as *const DomainSlot;
    if SEEN.fetch_add(1, SeqCst) + 1 == FATAL.load(SeqCst) {
        // SAFETY: slots live for ever.
        unsafe { (*slot).live.store(0, SeqCst) };
    }
    // SAFETY: as above.
    let is_dead = unsafe { (*slot).live.load(SeqCst) } == 0;
    let is_held = control_word!(offset::PREEMPT_OFF) as u32 != 0;
    if is_dead && !is_held && current == callee {
        WAS_UNWOUND.store(true, SeqCst);
        registers[libc::REG_RIP as usize] = unwinder() as i64;
        registers[libc::REG_EFL as usize] &= !TRAP_FLAG;
    }
}

fn catch_traps() {
    // SAFETY: the handler keeps to what a signal handler may do.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_trap as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGTRAP, &raw const action, ptr::null_mut())
    };
    assert_eq!(result, 0);
}

/// Runs `code` and traps after each of its instructions.
#[inline(never)]
fn step<T>(code: impl FnOnce() -> T) -> T {
    // SAFETY: changes one flag, which `on_trap` is prepared for.
    unsafe { asm!("pushfq", "or qword ptr [rsp], {flag}", "popfq", flag = const TRAP_FLAG) };
    let result = code();
    // SAFETY: as above.
    unsafe { asm!("pushfq", "and qword ptr [rsp], ~{flag}", "popfq", flag = const TRAP_FLAG) };
    result
}

/// Makes `call` while the callee dies at instruction `fatal`; how many there were.
fn one_call<T>(fatal: u32, call: impl FnOnce(&Proxy<dyn Service>) -> RpcResult<T>) -> u32 {
    let before = total_objects();
    let (caller, callee) = (Domain::new(), Domain::new());
    let service = callee.run(|| {
        CALLEE.store(control_word!(offset::CURRENT), SeqCst);
        Proxy::export(Arc::new(Callee) as Arc<dyn Service>)
    });
    caller.run(|| {
        let service = adopt(service);
        CALLER.store(control_word!(offset::CURRENT), SeqCst);
        FATAL.store(fatal, SeqCst);
        SEEN.store(0, SeqCst);
        WAS_UNWOUND.store(false, SeqCst);
        let result = call(&service);
        assert_eq!(control_word!(offset::CHAIN), 0);
        assert_eq!(control_word!(offset::CURRENT), CALLER.load(SeqCst));
        assert_eq!(control_word!(offset::PREEMPT_OFF) as u32, 0);
        let was_unwound = WAS_UNWOUND.load(SeqCst);
        assert_eq!(result.is_err(), was_unwound, "at instruction {fatal}");
        drop(result);
        drop(service);
        assert_eq!(objects_of(caller.id()), 0, "at instruction {fatal}");
    });
    assert!(!WAS_INCOMPLETE.load(SeqCst), "at instruction {fatal}");
    reclaim(callee.id());
    assert_eq!(total_objects(), before, "at instruction {fatal}");
    SEEN.load(SeqCst)
}

/// Makes `call` again and again; the callee dies at the first and the last instructions
/// and at some in between, of which there are many without optimisation.
fn die_at_many_steps<T>(call: impl Fn(&Proxy<dyn Service>) -> RpcResult<T>) {
    let count = one_call(u32::MAX, &call);
    let mut deaths = 0;
    let between = (0..EDGE).map(|part| EDGE + part * (count - 2 * EDGE) / EDGE);
    for fatal in (1..=EDGE).chain(between).chain(count - EDGE..=count) {
        one_call(fatal, &call);
        deaths += u32::from(WAS_UNWOUND.load(SeqCst));
    }
    assert!(deaths > EDGE, "{deaths} deaths at {count} instructions");
}

/// Instructions at either end of which none is left out: more than the function's
/// entry and the way back have.
const EDGE: u32 = 10;

#[test]
fn a_callee_may_die_at_any_instruction() {
    catch_traps();
    die_at_many_steps(|service| step(|| service.nothing()));
    die_at_many_steps(|service| step(|| service.add(1, 2)));
    let objects = || [1, 2, 3, 4].map(RRef::new);
    die_at_many_steps(|service| {
        let object = RRef::new(7);
        step(|| service.move_there_and_back(object))
    });
    die_at_many_steps(|service| {
        let objects = objects();
        step(|| service.move_much(objects))
    });
    assert!(SEEN_LEAVING.load(SeqCst) > 0);
}
