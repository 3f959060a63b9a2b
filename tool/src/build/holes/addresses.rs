//! Addresses as numbers, found in MIR as first built.
//!
//! LLVM takes two variables for two addresses, also where they lie one after the other at
//! one: a comparison of their addresses, as numbers, is decided when it compiles, and the
//! numbers say otherwise when it runs (rustc issue 107975). Safe code so makes a
//! `NonZero` of zero, and an index that is checked against what cannot be. So no pointer
//! becomes a number: no function takes an address as a pointer, there is no cast of one,
//! and no call of a safe function with one among its arguments, such as `addr` and `hash`.
//! An unsafe one is a trusted macro's, and so are addresses of constants.

use super::{Check, Refusal};

/// The cast, as MIR names it.
const CAST: &str = "(PointerExposeProvenance)";
/// What a call names its function by, and how the type of an unsafe one goes on.
const CALLEE: (&str, &str) = ("ConstValue(ZeroSized: ", "unsafe ");
/// How an address is taken, and the one that the compiler takes to know a length.
const TAKEN: ([&str; 2], &str) = (["= &raw const ", "= &raw mut "], "(fake)");
/// How the head of a function's body begins.
const FUNCTION: &str = "fn ";
/// How types of pointers begin.
const POINTERS: [&str; 3] = ["*const ", "*mut ", "NonNull<"];

/// What is refused in one body.
pub fn find(body: &str) -> Vec<Refusal> {
    let item = body
        .lines()
        .find_map(|line| line.strip_prefix("// MIR for `"));
    let item = item.and_then(|line| line.split('`').next()).unwrap_or("");
    let is_function = body.lines().any(|line| line.starts_with(FUNCTION));
    let found = body.lines().any(|line| {
        let is_call = line.contains(") -> ");
        line.contains(CAST)
            || is_call && passes_a_pointer(line)
            || is_function && takes_an_address(line)
    });
    let refusal = || Refusal {
        check: Check::Addresses,
        item: super::casts::function(item),
        file: None,
        line: 1,
        reason:
            "an address is taken, passed on or becomes a number: expected references, indices, \
                 or numbers that stand for them"
                .to_owned(),
    };
    found.then(refusal).into_iter().collect()
}

/// Whether a line calls a safe function in whose type there is a pointer.
fn passes_a_pointer(line: &str) -> bool {
    let Some((_, callee)) = line.split_once(CALLEE.0) else {
        return false;
    };
    // The regions that it binds come first.
    let callee = callee.strip_prefix("for<").map_or(callee, |rest| {
        rest.split_once("> ").map_or(rest, |(_, rest)| rest)
    });
    let has_pointer = POINTERS.iter().any(|kind| callee.contains(kind));
    has_pointer && !callee.starts_with(CALLEE.1)
}

/// Whether a line makes a pointer of a place.
fn takes_an_address(line: &str) -> bool {
    let taken = TAKEN.0.iter().find_map(|taken| line.split_once(taken));
    taken.is_some_and(|(_, place)| !place.starts_with(TAKEN.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(line: &str) -> bool {
        let head = "fn inner::look(_1: u8) -> u8 {";
        let body = format!("// MIR for `inner::look` after built\n\n{head}\n        {line}\n");
        let refusals = find(&body);
        assert!(refusals.iter().all(|refusal| refusal.item == "look"));
        !refusals.is_empty()
    }

    #[test]
    fn casts_and_calls_with_pointers_are_refused() {
        for line in [
            "_1 = move _3 as usize (PointerExposeProvenance);",
            "_5 = ConstValue(ZeroSized: fn(*const u8) -> usize {core::ptr::const_ptr::<impl *const u8>::addr})(move _6) -> [return: bb1, unwind: bb2];",
            "_5 = ConstValue(ZeroSized: for<Region(BrNamed(DefId(1:2 ~ a)))> fn(&'^0 *mut u8, &'^0 mut S) {<*mut u8 as Hash>::hash::<S>})(move _6, move _7) -> [return: bb1, unwind: bb2];",
            "_2 = &raw const _1;",
            "_2 = &raw mut (*_1);",
            "_5 = ConstValue(ZeroSized: fn(NonNull<u8>) -> NonZero<usize> {NonNull::<u8>::addr})(move _6) -> [return: bb1, unwind: bb2];",
        ] {
            assert!(is_refused(line), "{line}");
        }
    }

    #[test]
    fn what_trusted_macros_call_and_what_has_no_pointer_is_allowed() {
        for line in [
            "_1 = ConstValue(ZeroSized: unsafe fn(*const R) -> L {L::new})(move _2) -> [return: bb1, unwind: bb2];",
            "_1 = ConstValue(ZeroSized: for<Region(BrAnon)> unsafe fn(*const R) -> L {L::new})(move _2) -> [return: bb1, unwind: bb2];",
            "_69 = &raw const (fake) (*_1);",
            "let mut _69: *const [char];",
            "_1 = ConstValue(ZeroSized: fn(u8) -> u8 {f})(move _2) -> [return: bb1, unwind: bb2];",
        ] {
            assert!(!is_refused(line), "{line}");
        }
    }
}
