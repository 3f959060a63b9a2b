//! Crossings: a method call into another domain.
//!
//! `#[interface]` generates, for each method, a call of [`cross`]. The
//! kernel's stub checks that the callee lives, links a continuation and calls
//! [`run`] in the callee's name; `run` moves the ownership of the arguments,
//! calls the object and moves the result. If the callee dies, the stub returns
//! another status and the callee's frames are gone, without destructors.

use core::arch::asm;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::sync::atomic::{AtomicU64, Ordering};

use abi::exchange::HELD;
use abi::thread::{CrossFunction, CrossStatus, DomainSlot, offset};

use crate::error::{RpcError, RpcResult};
use crate::layout::{Exchangeable, Plain};
use crate::proxy::{Interface, Proxy, Target, join};
use crate::thread;

/// What one argument of a method does at a crossing.
///
/// # Safety
/// `give_references` reaches every reference a value holds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may not pass between domains",
    note = "pass exchangeable values, or lend plain data as `&T`, `&[T]`, `&mut T`, `&mut [T]` or `&str`"
)]
pub unsafe trait Argument {
    /// Whether a value may hold references to exchange objects.
    const HAS_REFERENCES: bool;

    /// Gives what the value refers to, to `owner`.
    ///
    /// # Safety
    /// As [`Exchangeable::give_references`].
    unsafe fn give_references(&self, owner: u64);
}

// SAFETY: as the type itself.
unsafe impl<T: Exchangeable> Argument for T {
    const HAS_REFERENCES: bool = <T as Exchangeable>::HAS_REFERENCES;

    #[inline(always)]
    unsafe fn give_references(&self, owner: u64) {
        // SAFETY: the caller's promise.
        unsafe { Exchangeable::give_references(self, owner) }
    }
}

/// A borrow that lasts for one call.
pub struct Borrowed<B>(pub B);

macro_rules! lent {
    ($($(#[$generic:ident])? $type:ty),*) => {$(
        // SAFETY: plain data holds no references, and it stays its owner's.
        unsafe impl<$($generic: Plain)?> Argument for Borrowed<$type> {
            const HAS_REFERENCES: bool = false;

            #[inline(always)]
            unsafe fn give_references(&self, _owner: u64) {}
        }
    )*};
}

lent!(
    #[T]
    &T,
    #[T]
    &mut T,
    #[T]
    &[T],
    #[T]
    &mut [T],
    &str
);

/// The arguments of a method: a tuple of [`Argument`]s.
///
/// # Safety
/// `give_references` reaches every reference a value holds.
pub unsafe trait Arguments {
    /// Whether one of them may hold references to exchange objects.
    const HAVE_REFERENCES: bool;

    /// Gives what they refer to, to `owner`.
    ///
    /// # Safety
    /// As [`Exchangeable::give_references`].
    unsafe fn give_references(&self, owner: u64);
}

macro_rules! arguments {
    ($($type:ident $index:tt),*) => {
        // SAFETY: every part is reached.
        unsafe impl<$($type: Argument),*> Arguments for ($($type,)*) {
            const HAVE_REFERENCES: bool = false $(|| $type::HAS_REFERENCES)*;

            #[inline(always)]
            unsafe fn give_references(&self, _owner: u64) {
                // SAFETY: the caller's promise, for each part.
                $(unsafe { self.$index.give_references(_owner) })*
            }
        }
    };
}

arguments!();
arguments!(A 0);
arguments!(A 0, B 1);
arguments!(A 0, B 1, C 2);
arguments!(A 0, B 1, C 2, D 3);
arguments!(A 0, B 1, C 2, D 3, E 4);
arguments!(A 0, B 1, C 2, D 3, E 4, F 5);
arguments!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
arguments!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// What caller and callee share during a crossing, on the caller's stack. What
/// a call does not need stays unwritten: stores are what a crossing costs.
struct Frame<A, R> {
    arguments: ManuallyDrop<A>,
    /// The result, if it does not return in a register.
    result: MaybeUninit<RpcResult<R>>,
    /// The arguments belong to the callee. Written and read only if they hold
    /// references.
    moved: MaybeUninit<bool>,
}

impl<A, R> Frame<A, R> {
    /// Whether the result is small enough to return in a register.
    const IS_WORD: bool = size_of::<RpcResult<R>>() <= size_of::<u64>();
}

/// Calls the object of `proxy` with `arguments`: one crossing. For generated
/// code; no method of [`Proxy`], lest it hide an interface's method of that name.
///
/// # Errors
/// [`RpcError`], and whatever `function` returns.
///
/// # Safety
/// `function` calls a method of `I` with these arguments and does nothing
/// else: it runs in the callee's name.
#[inline(always)]
pub unsafe fn cross<I, A, R, F>(proxy: &Proxy<I>, arguments: A, function: F) -> RpcResult<R>
where
    I: ?Sized + Interface,
    A: Arguments,
    R: Exchangeable,
    F: Fn(&I, A) -> RpcResult<R> + Copy,
{
    const {
        assert!(
            size_of::<F>() == 0,
            "the function of a crossing captures nothing"
        )
    };
    let _ = function;
    let target = proxy.target();
    let mut frame = Frame {
        arguments: ManuallyDrop::new(arguments),
        result: MaybeUninit::<RpcResult<R>>::uninit(),
        moved: MaybeUninit::uninit(),
    };
    if A::HAVE_REFERENCES {
        frame.moved.write(false);
    }
    let (function, data) = (run::<I, A, R, F>, (&raw mut frame).cast());
    // SAFETY: slots live for ever; `run` gets the frame it expects, which lives
    // on this stack until the stub returns, and the halves of the object.
    let (mut status, mut word) = unsafe { call_stub(&target, function, data) };
    if status == CrossStatus::NotStarted as u32 && target.generation == HELD {
        // SAFETY: as above; the call did not start.
        (status, word) = unsafe { call_when_released(proxy, target.slot, function, data) };
    }
    if status == CrossStatus::Done as u32 {
        // SAFETY: `run` came to its end and wrote the result to one of the two
        // places; a word is large and aligned enough for a result that says so.
        return unsafe {
            if Frame::<A, R>::IS_WORD {
                word.as_ptr().cast::<RpcResult<R>>().read()
            } else {
                frame.result.assume_init()
            }
        };
    }
    count_error(proxy.error_counter());
    // An unmoved argument is still the caller's, who gave it away for
    // nothing; a moved one went down with the callee.
    //
    // SAFETY: `moved` is written if there are references; `run` takes the
    // arguments only after it set it.
    unsafe {
        if A::HAVE_REFERENCES && !frame.moved.assume_init() {
            ManuallyDrop::drop(&mut frame.arguments);
        }
    }
    Err(if status == CrossStatus::NoStack as u32 {
        RpcError::NoStack
    } else {
        RpcError::DomainDead
    })
}

/// Makes a call that did not start because calls through the proxy are held,
/// when they are so no longer. The target goes by value and out of line: where
/// its address is taken, every crossing would read it back from memory.
///
/// # Safety
/// Those of [`call_stub`].
#[cold]
#[inline(never)]
unsafe fn call_when_released<I: ?Sized + Interface>(
    proxy: &Proxy<I>,
    mut slot: *const DomainSlot,
    function: CrossFunction,
    data: *mut (),
) -> (u32, MaybeUninit<u64>) {
    while proxy.wait_while_held(slot) {
        let target = proxy.target();
        // SAFETY: the caller's contract.
        let (status, word) = unsafe { call_stub(&target, function, data) };
        if status != CrossStatus::NotStarted as u32 || target.generation != HELD {
            return (status, word);
        }
        slot = target.slot;
    }
    (CrossStatus::NotStarted as u32, MaybeUninit::uninit())
}

#[cold]
fn count_error(errors: *mut u64) {
    // SAFETY: the counter lies in a live proxy object and is only ever
    // accessed as an atomic.
    unsafe { AtomicU64::from_ptr(errors) }.fetch_add(1, Ordering::Relaxed);
}

/// The callee's side of a crossing.
///
/// # Safety
/// `frame` is a `Frame<A, R>` with its arguments, `data` and `vtable` are the
/// halves of the object, and the stub of a crossing to its domain calls this.
unsafe extern "sysv64" fn run<I, A, R, F>(
    frame: *mut (),
    data: *const (),
    vtable: *const (),
) -> MaybeUninit<u64>
where
    I: ?Sized + Interface,
    A: Arguments,
    R: Exchangeable,
    F: Fn(&I, A) -> RpcResult<R> + Copy,
{
    // SAFETY: the caller's promise; the crossing's caller waits for the stub.
    let frame = unsafe { &mut *frame.cast::<Frame<A, R>>() };
    if A::HAVE_REFERENCES {
        thread::forbid_disturbance();
        // SAFETY: undisturbed, and the callee takes the arguments below.
        unsafe { frame.arguments.give_references(thread::current_domain()) };
        frame.moved.write(true);
        thread::allow_disturbance();
    }
    // SAFETY: the arguments are taken once; the object lives while a proxy for
    // it does; `F` has no size (checked in `cross`), so any address holds one.
    let result = unsafe {
        let function = core::ptr::NonNull::<F>::dangling().read();
        let object = join::<I>(data, vtable);
        function(&*object, ManuallyDrop::take(&mut frame.arguments))
    };
    if <R as Exchangeable>::HAS_REFERENCES {
        // The stub allows disturbance again once the crossing is unlinked.
        thread::forbid_disturbance();
        if let Ok(value) = &result {
            // SAFETY: undisturbed, inside a crossing whose caller gets the value.
            unsafe { Exchangeable::give_references(value, thread::calling_domain()) };
        }
    }
    let mut word = MaybeUninit::<u64>::uninit();
    if Frame::<A, R>::IS_WORD {
        // SAFETY: the result fits; its alignment is at most its size.
        unsafe { word.as_mut_ptr().cast::<RpcResult<R>>().write(result) };
    } else {
        frame.result.write(result);
    }
    word
}

/// Calls the kernel's crossing stub; its [`CrossStatus`] and the function's word.
///
/// # Safety
/// As [`abi::thread::CrossStub`]: `function` may be called with `frame` and the
/// halves of the target's object.
#[inline(always)]
unsafe fn call_stub(
    target: &Target,
    function: CrossFunction,
    frame: *mut (),
) -> (u32, MaybeUninit<u64>) {
    thread::enter_host();
    let status: u64;
    let word: MaybeUninit<u64>;
    // SAFETY: `gs:[CROSS]` is the stub; memory counts as changed. If the callee
    // dies it returns here all the same, with rbx, rbp and rsp as they were; the
    // other registers count as changed.
    unsafe {
        asm!(
            "call qword ptr gs:[{stub}]",
            stub = const offset::CROSS,
            inlateout("rax") target.slot => word,
            in("r10") target.generation,
            in("r11") function,
            in("rdi") frame,
            in("rsi") target.data,
            in("r9") target.edge,
            inlateout("rdx") target.vtable => status,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
        );
    }
    // The stub writes `edx`, which clears the rest.
    (status as u32, word)
}
