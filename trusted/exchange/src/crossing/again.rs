//! Crossings that are made again when the callee dies and comes back.
//!
//! All of it lies behind the outcome that only a death has.

use core::mem::MaybeUninit;

use super::{Arguments, Back, CrossStatus, Frame, call_stub, look_at};
use crate::error::{RpcError, RpcResult};
use crate::layout::{Exchangeable, Plain};
use crate::proxy::{Interface, Proxy};
use crate::thread;

/// Deaths that one call of a method survives that may be called twice. The second one is
/// the call's own doing, for all that the caller can know: it is not made a third time.
const DEATHS_MAX: u32 = 1;

/// Successors that one call finds dead, as others have killed them.
const FOUND_DEAD_MAX: u32 = 8;

/// An argument of a method that may be called twice.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is given away by a call, so the call cannot be repeated",
    label = "moved to the callee, and gone with it",
    note = "a `#[repeatable]` method is called again when its domain dies and comes back: lend plain data or pass plain values, or leave `#[repeatable]` out"
)]
// `Plain` keeps anybody from implementing it for a type that is moved.
pub trait Repeatable: Plain {}
#[diagnostic::do_not_recommend]
impl<T: Plain> Repeatable for T {}

/// As [`cross`](super::cross), of a method that may be called twice. If the callee
/// dies, whose supervisor has promised a successor, the call is made again on that.
/// Nothing is asked or noted unless it does; only the arguments are kept.
///
/// # Errors
/// Those of `cross`: `DomainDead` if there was no promise, or it was not kept.
///
/// # Safety
/// That of `cross`, and the arguments hold no references to exchange objects.
#[inline(always)]
pub unsafe fn cross_repeatable<const METHOD: usize, I, A, R>(
    proxy: &Proxy<I>,
    arguments: A,
) -> RpcResult<R>
where
    I: ?Sized + Interface,
    A: Arguments,
    R: Exchangeable,
{
    const { assert!(!A::HAVE_REFERENCES, "what is moved is moved once") };
    let mut frame = Frame::<A, R>::EMPTY;
    let words = frame.put(arguments);
    // SAFETY: as in `cross`.
    let (news, back) = unsafe { call_stub::<METHOD, I, A, R>(proxy, &raw mut frame, words) };
    if news == 0 {
        if <R as Exchangeable>::HAS_REFERENCES {
            thread::end_undisturbed_return();
        }
        // SAFETY: `run` came to its end, with a value.
        return Ok(unsafe { frame.unpack(back.word) });
    }
    let Back { word, outcome, .. } = back;
    let [first, second, third] = words;
    // SAFETY: as above; the words are those that were passed.
    unsafe {
        look_again_at::<METHOD, I, A, R>(proxy, &mut frame, word, outcome, first, second, third)
    }
}

/// Sees to a crossing that did not just come back with a value, and makes it again
/// as long as it meets deaths that are to be waited out.
///
/// # Safety
/// As [`look_at`], with the words that were passed, whether or not the callee
/// started, and of arguments that hold no references.
#[cold]
#[inline(never)]
unsafe fn look_again_at<const METHOD: usize, I, A, R>(
    proxy: &Proxy<I>,
    frame: &mut Frame<A, R>,
    mut word: MaybeUninit<u64>,
    mut outcome: u64,
    first: MaybeUninit<u64>,
    second: MaybeUninit<u64>,
    third: MaybeUninit<u64>,
) -> RpcResult<R>
where
    I: ?Sized + Interface,
    A: Arguments,
    R: Exchangeable,
{
    let (mut deaths, mut found_dead) = (0, 0);
    loop {
        match CrossStatus::of_outcome(outcome) {
            CrossStatus::Died => deaths += 1,
            _ => found_dead += 1,
        }
        // SAFETY: the caller's contract. It drops the arguments of a call that did
        // not start, which does nothing: they are plain data.
        let answer = unsafe {
            look_at::<METHOD, I, A, R>(proxy, frame, word, outcome, first, second, third)
        };
        let is_dead = matches!(answer, Err(RpcError::DomainDead));
        let is_lost = deaths > DEATHS_MAX || found_dead > FOUND_DEAD_MAX;
        if !is_dead || is_lost || !proxy.wait_out() {
            return answer;
        }
        // SAFETY: the caller's contract. A callee that died has read arguments from
        // the frame, or been passed these words, and written to neither.
        let (news, back) =
            unsafe { call_stub::<METHOD, I, A, R>(proxy, frame, [first, second, third]) };
        if news == 0 {
            if <R as Exchangeable>::HAS_REFERENCES {
                thread::end_undisturbed_return();
            }
            // SAFETY: `run` came to its end, with a value.
            return Ok(unsafe { frame.unpack(back.word) });
        }
        (word, outcome) = (back.word, back.outcome);
    }
}
