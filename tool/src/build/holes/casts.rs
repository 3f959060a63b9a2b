//! Casts to higher-ranked function pointers, found in MIR.
//!
//! The bounds that a function's argument types imply (`&'a &'b T` says that `'b`
//! outlives `'a`) are checked where it is called. A cast to a function pointer
//! whose type binds a lifetime forgets them (rustc issue 25860), and a lifetime
//! that nobody proved leaves through the result, or through an argument into
//! which the function can store: `&mut`, a cell, a callback. So there is no cast
//! of a function or closure to a higher-ranked pointer with a lifetime in its
//! result or inside an argument. Allowed are the reference that an argument is
//! itself, and the bound of a trait object behind it.

use super::{Check, Refusal};

/// The casts that make function pointers, as MIR names them, and the one that
/// uses a function pointer at another type.
const KINDS: [&str; 4] = [
    "(PointerCoercion(ReifyFnPointer",
    "(PointerCoercion(ClosureFnPointer",
    "(PointerCoercion(UnsafeFnPointer",
    "(Subtype)",
];

/// The iterator of the standard library that stores what another one yields. That
/// is part of a closure's signature and not of its type's lifetime (rustc issue
/// 84366), so a reference put there could be kept for longer than it lives.
const STORING: &str = "Peekable<";

/// What precedes the signature in the type of a closure, and what follows it.
const CLOSURE: (&str, &str) = ("closure_sig_as_fn_ptr_ty=", " upvar_tys=");

/// What precedes the type of a cast that is higher-ranked itself.
const TARGET: &str = " as for<Region";

/// Everything that is refused in the MIR of a crate, with the item it is in.
pub fn find(mir: &str) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut item = "";
    for line in mir.lines() {
        if line.starts_with(|first: char| first.is_alphabetic() || first == '<') {
            item = line;
        }
        if stores_what_a_closure_yields(line) {
            refusals.push(Refusal {
                check: Check::Casts,
                item: name(item),
                file: None,
                line: 1,
                reason: "a Peekable over a closure that returns something borrowed: the \
                         closure's type does not say for how long; peek before the closure"
                    .to_owned(),
            });
        }
        if let Some(target) = target(line)
            && lets_a_lifetime_out(target)
        {
            refusals.push(Refusal {
                check: Check::Casts,
                item: name(item),
                file: None,
                line: 1,
                reason: format!(
                    "a cast to {} may lose the bounds that the function's types imply: \
                     call it, or pass it as a generic argument",
                    readable(target)
                ),
            });
        }
    }
    refusals
}

/// Whether a line declares a variable with a `Peekable` over a closure whose result
/// has a lifetime, or a parameter in whose place a type with one may be.
fn stores_what_a_closure_yields(line: &str) -> bool {
    let is_variable = line.trim_start().starts_with("let ");
    is_variable
        && line.match_indices(STORING).any(|(at, _)| {
            let inner = inside(&line[at + STORING.len()..]);
            inner.match_indices(CLOSURE.0).any(|(at, _)| {
                let signature = &inner[at + CLOSURE.0.len()..];
                let end = signature.find(CLOSURE.1).unwrap_or(signature.len());
                let result = signature[..end].rsplit_once(") -> ");
                result.is_some_and(|(_, result)| result.contains('\'') || has_parameter(result))
            })
        })
}

/// Whether a type has a name in it that is neither a whole path nor a primitive
/// type's: a parameter is shown like that.
fn has_parameter(kind: &str) -> bool {
    const PLAIN: [&str; 19] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize", "f32", "f64", "mut", "const",
    ];
    kind.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':')
        .any(|name| {
            let is_number = name.starts_with(|first: char| first.is_ascii_digit());
            !name.is_empty() && !is_number && !name.contains("::") && !PLAIN.contains(&name)
        })
}

/// The part of a text before the bracket that closes what was open already.
fn inside(text: &str) -> &str {
    let (mut depth, mut previous) = (0_usize, ' ');
    for (at, letter) in text.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' if previous == '-' => {}
            '>' if depth == 0 => return &text[..at],
            '>' => depth -= 1,
            _ => {}
        }
        previous = letter;
    }
    text
}

/// The higher-ranked type of the cast in a line, if there is one.
fn target(line: &str) -> Option<&str> {
    let end = KINDS.iter().find_map(|kind| line.rfind(kind))?;
    let line = &line[..end];
    let begin = line.rfind(TARGET)? + " as ".len();
    Some(line[begin..].trim())
}

/// Whether a lifetime stands in the result or inside an argument. A type that
/// cannot be taken apart is refused.
fn lets_a_lifetime_out(target: &str) -> bool {
    let Some((arguments, result)) = signature(target) else {
        return true;
    };
    result.contains('\'') || arguments.iter().any(|argument| has_inner(argument))
}

/// The arguments and the result of `for<…> fn(A, B) -> C`.
fn signature(target: &str) -> Option<(Vec<&str>, &str)> {
    let open = target.find("fn(")? + "fn(".len();
    let (mut depth, mut begin) = (0_usize, open);
    let mut arguments = Vec::new();
    let mut previous = ' ';
    for (at, letter) in target[open..].char_indices() {
        let at = open + at;
        match letter {
            '(' | '[' | '{' | '<' => depth += 1,
            '>' if previous == '-' => {}
            ')' if depth == 0 => {
                arguments.push(target[begin..at].trim());
                return Some((arguments, &target[at + 1..]));
            }
            ')' | ']' | '}' | '>' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                arguments.push(target[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
        previous = letter;
    }
    None
}

/// Whether an argument has a lifetime besides that of the reference it is, and
/// of the trait object right behind it.
fn has_inner(argument: &str) -> bool {
    let Some(rest) = argument.strip_prefix("&'") else {
        return argument.contains('\'');
    };
    let Some((region, rest)) = rest.split_once(' ') else {
        return true;
    };
    let own = format!(" + '{region})");
    let object = rest
        .strip_prefix("(dyn ")
        .and_then(|rest| rest.strip_suffix(&own));
    object.unwrap_or(rest).contains('\'')
}

/// The name of the item that the head of a body in MIR belongs to.
fn name(item: &str) -> String {
    let item = item.split_once('(').map_or(item, |(name, _)| name);
    let item = item.split_once(": ").map_or(item, |(name, _)| name);
    let words = ["fn ", "const ", "static ", "static mut "];
    let item = words
        .iter()
        .find_map(|word| item.strip_prefix(word))
        .unwrap_or(item);
    function(item)
}

/// The last name of a path; of a closure, constant or promoted value, that of the
/// function around it.
pub fn function(item: &str) -> String {
    let item = item.split("::{").next().unwrap_or(item);
    let item = item.split("::promoted").next().unwrap_or(item);
    item.rsplit("::").next().unwrap_or(item).trim().to_owned()
}

/// The type without the compiler's own notation of regions.
fn readable(target: &str) -> String {
    let target = match (target.find("for<"), target.find("> ")) {
        (Some(begin), Some(end)) if begin < end => &target[end + 2..],
        _ => target,
    };
    target.replace("'{erased}", "'_").replace("'^", "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(target: &str) -> bool {
        let line = format!(
            "        _2 = something as {target} (PointerCoercion(ReifyFnPointer(Safe), Implicit));"
        );
        let mir = format!("fn inner::make(_1: u8) -> u8 {{\n{line}\n}}\n");
        let refusals = find(&mir);
        assert!(refusals.iter().all(|refusal| refusal.item == "make"));
        !refusals.is_empty()
    }

    #[test]
    fn a_lifetime_in_the_result_or_inside_an_argument_is_refused() {
        assert!(refused(
            "for<Region(BrAnon)> fn(&'{erased} &'{erased} (), &'^0 T) -> &'{erased} T"
        ));
        assert!(refused("for<Region(BrAnon)> fn(&'^0 u8) -> W<'^0>"));
        assert!(refused(
            "for<Region(BrAnon)> fn(&'^0 u8) -> Box<(dyn Debug + '{erased})>"
        ));
        assert!(refused("for<Region(BrAnon)> fn(&'^0 u8, &'^0 mut W<'^0>)"));
        assert!(refused(
            "for<Region(BrAnon)> fn(&'^0 u8, &'{erased} Cell<&'{erased} u8>)"
        ));
        assert!(refused(
            "for<Region(BrAnon)> unsafe fn(&'^0 u8, fn(&'{erased} u8))"
        ));
        assert!(refused(
            "for<Region(BrAnon)> fn(&'^0 (dyn Sink<'^0> + '^0))"
        ));
        assert!(refused("for<Region(BrAnon)> nothing that is known"));
    }

    #[test]
    fn what_nothing_can_leave_through_is_allowed() {
        assert!(!refused("for<Region(BrAnon)> fn(&'^0 Row) -> u64"));
        assert!(!refused(
            "for<Region(BrAnon)> fn(&'^0 (dyn Echo + '^0)) -> Result<(), RpcError>"
        ));
        assert!(!refused(
            "for<Region(BrAnon), Region(BrAnon)> fn(&'^0 mut State, &'^1 str) -> Result<usize, fn(u8) -> u8>"
        ));
        assert!(!refused("fn(&'{erased} &'{erased} u8) -> &'{erased} u8"));
    }

    #[test]
    fn a_peekable_over_what_a_closure_borrows_is_refused() {
        let peekable = |closure: &str| {
            let line = format!(
                "    let _3: Peekable<Map<Chars<'{{erased}}>, {{f::{{closure#0}} closure_sig_as_fn_ptr_ty=extern \"rust-call\" fn((char,)) -> {closure} upvar_tys=(&'{{erased}} u8,)}}>>;"
            );
            find(&line).len()
        };
        assert_eq!(peekable("Option<&'{erased} str>"), 1);
        assert_eq!(peekable("std::option::Option<T>"), 1);
        assert_eq!(peekable("std::option::Option<(char, [u8; 3])>"), 0);
        assert_eq!(peekable("bool"), 0);
        assert!(find("    let _3: (Peekable<Chars<'{erased}>>, Map<I, {f closure_sig_as_fn_ptr_ty=fn() -> &'{erased} u8 upvar_tys=()}>);").is_empty());
    }

    #[test]
    fn only_casts_of_function_pointers_count() {
        let line = "        _2 = move _3 as Box<dyn for<Region(BrAnon)> Fn(&'^0 u8) -> &'^0 u8> (PointerCoercion(Unsize, Implicit));";
        assert!(find(line).is_empty());
        let line = "        _4 = move _10 as for<Region(BrAnon)> fn(&'^0 u8) -> &'^0 u8 (Subtype);";
        assert_eq!(find(line).len(), 1);
    }
}
