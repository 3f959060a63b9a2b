//! Crossings: a method call into another domain.
//!
//! `#[interface]` generates, for each method, a call of [`cross`], and for each type
//! that implements the interface a table of [`run`]s. The kernel's stub checks that
//! the callee lives, links a continuation and jumps to the table's function in the
//! callee's name; `run` moves the ownership of the arguments, calls the object,
//! moves the result and returns to the caller, who unlinks. If the callee dies, the
//! call returns another outcome and the callee's frames are gone, without
//! destructors.

use alloc::sync::Arc;
use core::arch::asm;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::exchange::HELD;
use abi::services::DropExport;
use abi::thread::{
    ARGUMENT_WORDS, CONTINUATION_ROOM, CrossAnswer, CrossStatus, CrossTable, offset,
};

use crate::error::{RpcError, RpcResult};
use crate::layout::{AnyBits, Exchangeable, Plain};
use crate::proxy::{Interface, Proxy};
use crate::thread;

mod again;

pub use again::{Repeatable, cross_repeatable};

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
    ($($(#[$generic:ident: $bound:ident])? $type:ty),*) => {$(
        // SAFETY: plain data holds no references, and it stays its owner's.
        unsafe impl<$($generic: $bound)?> Argument for Borrowed<$type> {
            const HAS_REFERENCES: bool = false;

            #[inline(always)]
            unsafe fn give_references(&self, _owner: u64) {}
        }
    )*};
}

lent!(
    #[T: Plain]
    &T,
    #[T: AnyBits]
    &mut T,
    #[T: Plain]
    &[T],
    #[T: AnyBits]
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

/// Arguments that travel in registers. Those of more words lie in the frame.
type Words = [MaybeUninit<u64>; ARGUMENT_WORDS];

/// What does not fit into registers, on the caller's stack.
#[repr(C)]
struct Frame<A, R> {
    arguments: MaybeUninit<A>,
    result: MaybeUninit<R>,
}

/// Whether a value fits into words.
const fn fits<T>(words: usize) -> bool {
    size_of::<T>() <= words * size_of::<u64>() && align_of::<T>() <= align_of::<u64>()
}

impl<A, R> Frame<A, R> {
    /// Whether the arguments travel in registers.
    const HAS_WORDS: bool = fits::<A>(ARGUMENT_WORDS);
    /// Whether the result does.
    const IS_WORD: bool = fits::<R>(1);

    const EMPTY: Self = Self {
        arguments: MaybeUninit::uninit(),
        result: MaybeUninit::uninit(),
    };

    /// Puts the arguments where the callee finds them.
    #[inline(always)]
    fn put(&mut self, arguments: A) -> Words {
        let mut words = [MaybeUninit::uninit(); ARGUMENT_WORDS];
        if Self::HAS_WORDS {
            // SAFETY: they fit, as just seen.
            unsafe { words.as_mut_ptr().cast::<A>().write(arguments) };
        } else {
            self.arguments.write(arguments);
        }
        words
    }

    /// The arguments that were put there.
    ///
    /// # Safety
    /// `frame` and `words` are those of a [`put`](Self::put), from which they are
    /// taken once. `frame` need not be valid if there is no use for it.
    #[inline(always)]
    unsafe fn take(frame: *mut Self, words: &Words) -> A {
        // SAFETY: written by `put`, in the same place.
        unsafe {
            if Self::HAS_WORDS {
                words.as_ptr().cast::<A>().read()
            } else {
                (&raw const (*frame).arguments).cast::<A>().read()
            }
        }
    }

    /// What `run` returns for a result, which is moved.
    ///
    /// # Safety
    /// `frame` is the caller's. It need not be valid if there is no use for it.
    #[inline(always)]
    unsafe fn pack(frame: *mut Self, result: RpcResult<R>) -> CrossAnswer {
        let mut word = MaybeUninit::<u64>::uninit();
        let outcome = match result {
            // SAFETY: the word is large enough, or the result's place is there.
            Ok(value) => unsafe {
                if Self::IS_WORD {
                    word.as_mut_ptr().cast::<R>().write(value);
                } else {
                    (&raw mut (*frame).result).cast::<R>().write(value);
                }
                0
            },
            Err(error) => error.code().into(),
        };
        CrossAnswer { word, outcome }
    }

    /// The value that `pack` was given.
    ///
    /// # Safety
    /// `pack` was called on this frame and returned `word` and outcome 0, and this
    /// is the first look at it.
    #[inline(always)]
    unsafe fn unpack(&self, word: MaybeUninit<u64>) -> R {
        // SAFETY: what was written there; the rest is the caller's promise.
        unsafe {
            if Self::IS_WORD {
                word.as_ptr().cast::<R>().read()
            } else {
                self.result.assume_init_read()
            }
        }
    }
}

/// Calls method number `METHOD` of the object of `proxy` with `arguments`: one
/// crossing. For generated code; no method of [`Proxy`], lest it hide an
/// interface's method of that name.
///
/// # Errors
/// [`RpcError`], and whatever the method returns.
///
/// # Safety
/// The interface has that method, and it takes and returns this.
#[inline(always)]
pub unsafe fn cross<const METHOD: usize, I, A, R>(proxy: &Proxy<I>, arguments: A) -> RpcResult<R>
where
    I: ?Sized + Interface,
    A: Arguments,
    R: Exchangeable,
{
    let mut frame = Frame::<A, R>::EMPTY;
    let words = frame.put(arguments);
    // SAFETY: `run` gets the arguments, and the frame if it uses it, which lives on
    // this stack until the crossing is over; the rest is the caller's promise.
    let (news, back) = unsafe { call_stub::<METHOD, I, A, R>(proxy, &raw mut frame, words) };
    if news == 0 {
        if <R as Exchangeable>::HAS_REFERENCES {
            thread::end_undisturbed_return();
        }
        // SAFETY: `run` came to its end, with a value.
        return Ok(unsafe { frame.unpack(back.word) });
    }
    let Back {
        word,
        outcome,
        words: [first, second, third],
    } = back;
    // SAFETY: as above.
    unsafe { look_at::<METHOD, I, A, R>(proxy, &mut frame, word, outcome, first, second, third) }
}

/// What a crossing brings back.
struct Back {
    word: MaybeUninit<u64>,
    outcome: u64,
    /// What was passed in registers, if the call did not start.
    words: Words,
}

impl Back {
    fn status(&self) -> CrossStatus {
        CrossStatus::of_outcome(self.outcome)
    }
}

/// Sees to a crossing that did not just come back with a value. It takes a [`Back`]
/// by parts: as a whole it would be stored for each crossing, before it is known
/// whether it is needed.
///
/// # Safety
/// The parts are what [`call_stub`] returned for `frame`.
#[cold]
#[inline(never)]
unsafe fn look_at<const METHOD: usize, I, A, R>(
    proxy: &Proxy<I>,
    frame: &mut Frame<A, R>,
    word: MaybeUninit<u64>,
    outcome: u64,
    first: MaybeUninit<u64>,
    second: MaybeUninit<u64>,
    third: MaybeUninit<u64>,
) -> RpcResult<R>
where
    I: ?Sized + Interface,
    A: Arguments,
    R: Exchangeable,
{
    let mut back = Back {
        word,
        outcome,
        words: [first, second, third],
    };
    came_back::<R>(back.status());
    if back.status() == CrossStatus::NotStarted {
        // SAFETY: the caller's contract.
        back = unsafe { call_if_released::<METHOD, I, A, R>(proxy, frame, back) };
    }
    let status = back.status();
    match status {
        CrossStatus::Done => {
            let code = u32::try_from(back.outcome).unwrap_or(u32::MAX);
            return match RpcError::from_code(code) {
                Some(error) => Err(error),
                // SAFETY: `run` came to its end, with a value.
                None => Ok(unsafe { frame.unpack(back.word) }),
            };
        }
        CrossStatus::NotStarted | CrossStatus::NoStack => {
            // The caller's still, who gave them away for nothing.
            // SAFETY: `run` did not start, so nobody took them.
            drop(unsafe { Frame::take(frame, &back.words) });
        }
        // What was moved went down with the callee: `run` starts undisturbed and
        // takes it before it can be unwound.
        CrossStatus::Died => {}
    }
    count_error(proxy.error_counter());
    Err(if status == CrossStatus::NoStack {
        RpcError::NoStack
    } else {
        RpcError::DomainDead
    })
}

/// Ends what the callee left, and lets the kernel do what it put off meanwhile, or
/// take the thread out of this domain if that is dying. A call that did not start
/// leaves nothing, and perhaps there is too little stack for it.
fn came_back<R: Exchangeable>(status: CrossStatus) {
    if matches!(status, CrossStatus::NotStarted | CrossStatus::NoStack) {
        return;
    }
    if <R as Exchangeable>::HAS_REFERENCES && status == CrossStatus::Done {
        thread::end_undisturbed_return();
    }
    // SAFETY: the kernel's function keeps the calling convention and needs no
    // right; this domain's code is disturbed as by an interrupt.
    unsafe {
        asm!(
            "call qword ptr gs:[{came_back}]",
            came_back = const offset::CAME_BACK,
            clobber_abi("sysv64"),
        );
    }
}

/// Makes a call that did not start, when calls through the proxy are not held
/// any more. It looks at the target anew: what a crossing has to remember until
/// it comes back, it has to store.
///
/// # Safety
/// Those of [`call_stub`], with the words that it gave back.
#[cold]
unsafe fn call_if_released<const METHOD: usize, I, A, R>(
    proxy: &Proxy<I>,
    frame: *mut Frame<A, R>,
    mut back: Back,
) -> Back
where
    I: ?Sized + Interface,
    A: Arguments,
    R: Exchangeable,
{
    while back.status() == CrossStatus::NotStarted {
        let target = proxy.target();
        let is_held = target.generation == HELD;
        if is_held && !proxy.wait_while_held(target.slot) {
            break;
        }
        let target = proxy.target();
        // SAFETY: the caller's contract; the call did not start.
        (_, back) = unsafe { call_stub::<METHOD, I, A, R>(proxy, frame, back.words) };
        came_back::<R>(back.status());
        if target.generation != HELD {
            break;
        }
    }
    back
}

#[cold]
fn count_error(errors: *mut u64) {
    // SAFETY: the counter lies in a live proxy object and is only ever
    // accessed as an atomic.
    unsafe { AtomicU64::from_ptr(errors) }.fetch_add(1, Ordering::Relaxed);
}

/// Calls the kernel's crossing stub and takes the continuation from the chain. 0: the
/// call came to its end with a value, and there is nothing else to do.
///
/// # Safety
/// The interface has method `METHOD`, which takes and returns this, and `words` are
/// what [`Frame::put`] returned for `frame`.
#[inline(always)]
unsafe fn call_stub<const METHOD: usize, I, A, R>(
    proxy: &Proxy<I>,
    frame: *mut Frame<A, R>,
    words: Words,
) -> (u32, Back)
where
    I: ?Sized + Interface,
    A: Arguments,
    R: Exchangeable,
{
    thread::enter_host();
    let target = proxy.target();
    // What has no use is not passed, so that the compiler need not make it.
    let frame = if Frame::<A, R>::HAS_WORDS && Frame::<A, R>::IS_WORD {
        MaybeUninit::uninit()
    } else {
        MaybeUninit::new(frame)
    };
    let [mut first, mut second, mut third] = words;
    let (news, outcome, word): (u32, u64, MaybeUninit<u64>);
    macro_rules! call {
        ($stub:expr) => {
            // SAFETY: `gs:[CROSS]` is the stub, and what it is passed is what it
            // asks for: slots live for ever, and the table's function takes this
            // (the caller's promise). Memory counts as changed. If the callee dies
            // it comes back here all the same, with rbx, rbp and rsp as they were;
            // the other registers count as changed.
            unsafe {
                asm!(
                    abi::call_stub!("qword ptr gs:[{stub}]"),
                    stub = const $stub,
                    chain = const offset::CHAIN,
                    current = const offset::CURRENT,
                    work_pending = const offset::WORK_PENDING,
                    live = const offset::SLOT_LIVE,
                    room = const CONTINUATION_ROOM,
                    inlateout("rax") target.slot => word,
                    inlateout("rdx") target.table => outcome,
                    in("r10") target.generation,
                    in("r11") METHOD * size_of::<CrossTable>(),
                    inlateout("r14") proxy.edge() => _,
                    in("rdi") frame,
                    in("rsi") target.data,
                    inlateout("rcx") first,
                    inlateout("r8") second,
                    inlateout("r9") third,
                    lateout("r12") news,
                    lateout("r13") _,
                    lateout("r15") _,
                    clobber_abi("sysv64"),
                );
            }
        };
    }
    if A::HAVE_REFERENCES {
        call!(offset::CROSS_MOVING);
    } else {
        call!(offset::CROSS);
    }
    let back = Back {
        word,
        outcome,
        words: [first, second, third],
    };
    (news, back)
}

/// How other domains call an object, made for the type it is of.
#[derive(Clone, Copy)]
pub struct Exports {
    /// The methods.
    pub(crate) table: *const CrossTable,
    /// Takes back the reference that an export holds.
    pub(crate) drop_object: DropExport,
}

impl Exports {
    /// For objects of type `T`. For generated code.
    ///
    /// # Safety
    /// The table has an [`entry`] of `T` for each method of the interface, in order.
    #[must_use]
    pub const unsafe fn new<T>(table: &'static [CrossTable]) -> Self {
        Self {
            table: table.as_ptr(),
            drop_object: drop_object::<T>,
        }
    }
}

/// Takes back the reference that an export holds.
///
/// # Safety
/// `data` comes from `Arc::into_raw` of an `Arc<T>`, perhaps as a trait object.
unsafe extern "sysv64" fn drop_object<T>(data: *const ()) {
    // SAFETY: the caller's promise: a trait object's data is the object.
    drop(unsafe { Arc::from_raw(data.cast::<T>()) });
}

/// The entry of a method in the table of a `T`. For generated code.
#[must_use]
pub const fn entry<T, A, R, F>(function: F) -> CrossTable
where
    A: Arguments,
    R: Exchangeable,
    F: Fn(&T, A) -> RpcResult<R> + Copy,
{
    const {
        assert!(
            size_of::<F>() == 0,
            "the function of a crossing captures nothing"
        )
    };
    let _ = function;
    CrossTable(run::<T, A, R, F>)
}

/// The callee's side of a crossing.
///
/// # Safety
/// `data` is an object of type `T`, `words` and `frame` are those of a
/// [`Frame<A, R>`] with its arguments, and the stub of a crossing to its domain
/// calls this, the moving one if the arguments hold references.
unsafe extern "sysv64" fn run<T, A, R, F>(
    frame: *mut (),
    data: *const (),
    _table: *const CrossTable,
    first: MaybeUninit<u64>,
    second: MaybeUninit<u64>,
    third: MaybeUninit<u64>,
) -> CrossAnswer
where
    A: Arguments,
    R: Exchangeable,
    F: Fn(&T, A) -> RpcResult<R> + Copy,
{
    let frame = frame.cast::<Frame<A, R>>();
    // SAFETY: the caller's promise; the crossing's caller waits.
    let arguments = unsafe { Frame::take(frame, &[first, second, third]) };
    if A::HAVE_REFERENCES {
        // SAFETY: undisturbed since the stub; they are the callee's now.
        unsafe { arguments.give_references(thread::current_domain()) };
        thread::allow_disturbance();
    }
    // SAFETY: the object lives while a proxy for it does; `F` has no size (checked
    // in `entry`), so any address holds one.
    let result = unsafe {
        let function = core::ptr::NonNull::<F>::dangling().read();
        function(&*data.cast::<T>(), arguments)
    };
    if <R as Exchangeable>::HAS_REFERENCES {
        // The caller allows disturbance again once the crossing is unlinked.
        thread::forbid_disturbance();
        if let Ok(value) = &result {
            // SAFETY: undisturbed, inside a crossing whose caller gets the value.
            unsafe { Exchangeable::give_references(value, thread::calling_domain()) };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { Frame::pack(frame, result) }
}
