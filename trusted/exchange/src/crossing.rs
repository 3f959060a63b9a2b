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

use abi::thread::{CrossStatus, DomainSlot, offset};

use crate::error::{RpcError, RpcResult};
use crate::layout::{Exchangeable, Plain};
use crate::proxy::{Interface, Proxy};
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

/// What caller and callee share during a crossing, on the caller's stack.
struct Frame<I: ?Sized, A, R> {
    object: *const I,
    arguments: ManuallyDrop<A>,
    result: MaybeUninit<RpcResult<R>>,
    /// The arguments belong to the callee. Written and read only if they hold
    /// references.
    moved: bool,
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
        object: target.object,
        arguments: ManuallyDrop::new(arguments),
        result: MaybeUninit::<RpcResult<R>>::uninit(),
        moved: false,
    };
    // SAFETY: slots live for ever; `run` gets the frame it expects, which
    // lives on this stack until the stub returns.
    let status = unsafe {
        call_stub(
            target.slot,
            target.generation,
            run::<I, A, R, F>,
            (&raw mut frame).cast(),
        )
    };
    if status == CrossStatus::Done as u32 {
        // SAFETY: `run` came to its end and wrote the result.
        return unsafe { frame.result.assume_init() };
    }
    count_error(proxy.error_counter());
    // An unmoved argument is still the caller's, who gave it away for
    // nothing; a moved one went down with the callee.
    if A::HAVE_REFERENCES && !frame.moved {
        // SAFETY: `run` takes the arguments only after it set `moved`.
        unsafe { ManuallyDrop::drop(&mut frame.arguments) };
    }
    Err(if status == CrossStatus::NoStack as u32 {
        RpcError::NoStack
    } else {
        RpcError::DomainDead
    })
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
/// `frame` is a `Frame<I, A, R>` with its arguments, and the stub of a crossing
/// to the object's domain calls this.
unsafe extern "sysv64" fn run<I, A, R, F>(frame: *mut ())
where
    I: ?Sized,
    A: Arguments,
    R: Exchangeable,
    F: Fn(&I, A) -> RpcResult<R> + Copy,
{
    // SAFETY: the caller's promise; the crossing's caller waits for the stub.
    let frame = unsafe { &mut *frame.cast::<Frame<I, A, R>>() };
    if A::HAVE_REFERENCES {
        thread::forbid_disturbance();
        // SAFETY: undisturbed, and the callee takes the arguments below.
        unsafe { frame.arguments.give_references(thread::current_domain()) };
        frame.moved = true;
        thread::allow_disturbance();
    }
    // SAFETY: the arguments are taken once; the object lives while a proxy for
    // it does; `F` has no size (checked in `cross`), so any address holds one.
    let result = unsafe {
        let function = core::ptr::NonNull::<F>::dangling().read();
        function(&*frame.object, ManuallyDrop::take(&mut frame.arguments))
    };
    if <R as Exchangeable>::HAS_REFERENCES {
        // The stub allows disturbance again once the crossing is unlinked.
        thread::forbid_disturbance();
        if let Ok(value) = &result {
            // SAFETY: undisturbed, inside a crossing whose caller gets the value.
            unsafe { Exchangeable::give_references(value, thread::calling_domain()) };
        }
    }
    frame.result.write(result);
}

/// Calls the kernel's crossing stub; its [`CrossStatus`].
///
/// # Safety
/// As [`abi::thread::CrossStub`]: `function` may be called with `frame`.
#[inline(always)]
unsafe fn call_stub(
    slot: *const DomainSlot,
    generation: u64,
    function: unsafe extern "sysv64" fn(*mut ()),
    frame: *mut (),
) -> u32 {
    thread::enter_host();
    let status: u32;
    // SAFETY: `gs:[CROSS]` is the stub, a sysv64 function; memory counts as
    // changed. If the callee dies it returns here all the same, with
    // callee-saved registers as they were.
    unsafe {
        asm!(
            "call qword ptr gs:[{stub}]",
            stub = const offset::CROSS,
            in("rdi") slot,
            in("rsi") generation,
            in("rdx") function,
            in("rcx") frame,
            lateout("eax") status,
            clobber_abi("sysv64"),
        );
    }
    status
}
