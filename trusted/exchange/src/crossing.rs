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
use abi::target::Target;
use abi::thread::{CrossFunction, CrossStatus, offset};

use crate::error::{RpcError, RpcResult};
use crate::layout::{Exchangeable, Plain};
use crate::proxy::{Interface, Proxy, join};
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

    /// Whether it is if what came of the crossing shares the register with it. In
    /// memory it would be written in halves and copied as a whole, which no
    /// processor forwards from its store buffer.
    const IS_HALF: bool = !Self::IS_WORD && size_of::<R>() <= size_of::<u32>();

    /// What `run` returns for a result, which is moved.
    fn pack(&mut self, result: RpcResult<R>) -> MaybeUninit<u64> {
        let mut word = MaybeUninit::<u64>::uninit();
        // SAFETY: the word is as large as either and aligned for both.
        unsafe {
            if Self::IS_WORD {
                word.as_mut_ptr().cast::<RpcResult<R>>().write(result);
            } else if Self::IS_HALF {
                word.as_mut_ptr().cast::<Half<R>>().write(Half::new(result));
            } else {
                self.result.write(result);
            }
        }
        word
    }

    /// The result that `pack` was given.
    ///
    /// # Safety
    /// `pack` was called on this frame and returned `word`, and this is the first
    /// look at it.
    #[inline(always)]
    unsafe fn unpack(&self, word: MaybeUninit<u64>) -> RpcResult<R> {
        // SAFETY: what was written there; the rest is the caller's promise.
        unsafe {
            if Self::IS_WORD {
                word.as_ptr().cast::<RpcResult<R>>().read()
            } else if Self::IS_HALF {
                word.as_ptr().cast::<Half<R>>().read().result()
            } else {
                self.result.assume_init_read()
            }
        }
    }
}

/// A result in one word: a value of at most half a word, and what came of the
/// crossing.
#[repr(C)]
struct Half<R> {
    value: MaybeUninit<R>,
    /// 0: there is a value; else a code of [`RpcError`].
    error: u32,
}

impl<R> Half<R> {
    fn new(result: RpcResult<R>) -> Self {
        match result {
            Ok(value) => Self {
                value: MaybeUninit::new(value),
                error: 0,
            },
            Err(error) => Self {
                value: MaybeUninit::uninit(),
                error: error.code(),
            },
        }
    }

    #[inline(always)]
    fn result(self) -> RpcResult<R> {
        match RpcError::from_code(self.error) {
            // SAFETY: `new` made it so.
            None => Ok(unsafe { self.value.assume_init() }),
            Some(error) => Err(error),
        }
    }
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
    let (mut status, mut word) = unsafe { call_stub(&target, proxy.edge(), function, data) };
    if status != CrossStatus::Done as u32 {
        // SAFETY: as above.
        (status, word) = unsafe { call_if_released(proxy, status, function, data) };
    }
    if status == CrossStatus::Done as u32 {
        if <R as Exchangeable>::HAS_REFERENCES {
            thread::end_undisturbed_return();
        }
        // SAFETY: `run` came to its end.
        return unsafe { frame.unpack(word) };
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

/// Makes a call that did not start, when calls through the proxy are not held
/// any more. It looks at the target anew: what a crossing has to remember until
/// it comes back, it has to store.
///
/// # Safety
/// Those of [`call_stub`].
#[cold]
#[inline(never)]
unsafe fn call_if_released<I: ?Sized + Interface>(
    proxy: &Proxy<I>,
    status: u32,
    function: CrossFunction,
    data: *mut (),
) -> (u32, MaybeUninit<u64>) {
    let mut answer = (status, MaybeUninit::uninit());
    while answer.0 == CrossStatus::NotStarted as u32 {
        let target = proxy.target();
        let is_held = target.generation == HELD;
        if is_held && !proxy.wait_while_held(target.slot) {
            break;
        }
        let target = proxy.target();
        // SAFETY: the caller's contract.
        answer = unsafe { call_stub(&target, proxy.edge(), function, data) };
        if target.generation != HELD {
            break;
        }
    }
    answer
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
        // The caller allows disturbance again once the crossing is unlinked.
        thread::forbid_disturbance();
        if let Ok(value) = &result {
            // SAFETY: undisturbed, inside a crossing whose caller gets the value.
            unsafe { Exchangeable::give_references(value, thread::calling_domain()) };
        }
    }
    frame.pack(result)
}

/// Calls the kernel's crossing stub; its [`CrossStatus`] and the function's word.
///
/// # Safety
/// As [`abi::thread::CrossStub`]: `function` may be called with `frame` and the
/// halves of the target's object; `edge` is the proxy's.
#[inline(always)]
unsafe fn call_stub(
    target: &Target,
    edge: u64,
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
            in("r9") edge,
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
