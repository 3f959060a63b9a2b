//! Match guards that change what is matched, found in MIR as first built.
//!
//! While a guard runs, a *fake borrow* keeps the matched place from changing. Its
//! use, a fake read, stands where the guard succeeds. If that is unreachable from
//! some point of the guard, since what follows never returns, the borrow checker
//! sees no borrow there (rustc issue 161578): the guard may store another variant,
//! fail, and the next arm takes the place for what it was. So no statement of a
//! guard changes the matched variable where success cannot be reached any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Refusal};

/// A basic block: its statements and where it goes on.
#[derive(Default)]
struct Block<'a> {
    lines: Vec<&'a str>,
    next: Vec<&'a str>,
    /// Whether it begins the test of another arm, or belongs to no arm at all.
    is_arm: bool,
}

/// A body: its blocks by name.
type Body<'a> = BTreeMap<&'a str, Block<'a>>;

/// A fake borrow: the temporary, the variable it is of, and where it is made.
struct FakeBorrow<'a> {
    temporary: &'a str,
    variable: &'a str,
    block: &'a str,
    line: usize,
}

/// Everything that is refused in one body.
pub fn find(mir: &str) -> Vec<Refusal> {
    let body = parse(mir);
    let item = mir
        .lines()
        .find_map(|line| line.strip_prefix("// MIR for `"));
    let item = item.and_then(|line| line.split('`').next()).unwrap_or("");
    fake_borrows(&body)
        .iter()
        .filter(|borrow| is_changed_unseen(&body, borrow))
        .take(1)
        .map(|_| Refusal {
            check: Check::Guards,
            item: super::casts::function(item),
            file: None,
            line: 1,
            reason: "a match guard changes what is matched where it can no longer succeed: \
                     change it before the match or in an arm"
                .to_owned(),
        })
        .collect()
}

/// The refusal of a crate of which so many bodies cannot be looked at.
pub fn unseen(bodies: usize) -> Option<Refusal> {
    let reason = format!("{bodies} of its functions are not shown: shorten the names they have");
    (bodies > 0).then(|| Refusal {
        check: Check::Guards,
        item: String::new(),
        file: None,
        line: 1,
        reason,
    })
}

/// Takes a body apart.
fn parse(mir: &str) -> Body<'_> {
    let mut body = Body::new();
    let mut current: Option<&str> = None;
    for line in mir.lines() {
        let text = line.trim();
        if line.starts_with("    bb") && text.ends_with('{') {
            let name = text.split([':', ' ']).next().unwrap_or(text);
            // After a panic no arm is taken.
            let block = Block {
                is_arm: text.contains("(cleanup)"),
                ..Block::default()
            };
            body.insert(name, block);
            current = Some(name);
        } else if line.starts_with("    }") {
            current = None;
        } else if let Some(block) = current.and_then(|name| body.get_mut(name)) {
            block.lines.push(text);
        }
    }
    let mut arms = BTreeSet::new();
    for block in body.values_mut() {
        if let Some((_, targets)) = block.lines.last().and_then(|last| last.rsplit_once("-> ")) {
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            let words = targets.split(|letter| !is_word(letter));
            block.next = words.filter(|word| is_block(word)).collect();
            if block
                .lines
                .last()
                .is_some_and(|last| last.starts_with("falseEdge"))
            {
                block.is_arm = true;
                arms.extend(block.next.iter().copied());
            }
        }
    }
    for name in arms {
        if let Some(block) = body.get_mut(name) {
            block.is_arm = true;
        }
    }
    body
}

fn is_block(word: &str) -> bool {
    word.strip_prefix("bb").is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The fake borrows of a body.
fn fake_borrows<'a>(body: &Body<'a>) -> Vec<FakeBorrow<'a>> {
    let mut borrows = Vec::new();
    for (name, block) in body {
        for (line, text) in block.lines.iter().enumerate() {
            if let Some((temporary, value)) = text.split_once(" = &")
                && let Some((_, place)) = value.split_once("fake ")
                && let Some(variable) = variables(place).next()
            {
                borrows.push(FakeBorrow {
                    temporary,
                    variable,
                    block: name,
                    line,
                });
            }
        }
    }
    borrows
}

/// The variables, `_1` and so on, that a text names.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| {
            word.strip_prefix('_').is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            })
        })
}

/// Whether the guard changes the variable at a point from which it can only fail.
fn is_changed_unseen(body: &Body<'_>, borrow: &FakeBorrow<'_>) -> bool {
    let read = format!("FakeRead(ForMatchGuard, {});", borrow.temporary);
    let reads = |name: &str, from: usize| {
        let lines = body.get(name).map(|block| &block.lines);
        lines.is_some_and(|lines| lines.iter().skip(from).any(|line| *line == read))
    };
    let region = guard(body, borrow, &reads);
    region.iter().any(|name| {
        let from = if *name == borrow.block {
            borrow.line + 1
        } else {
            0
        };
        let lines = body.get(name).map_or(&[][..], |block| &block.lines);
        lines
            .iter()
            .skip(from)
            .any(|line| changes(line, borrow.variable))
            && !reads(name, from)
            && !reaches(body, &region, name, &|next| reads(next, 0))
    })
}

/// The blocks of the guard: from the fake borrow to its read or another arm.
fn guard<'a>(
    body: &Body<'a>,
    borrow: &FakeBorrow<'a>,
    reads: &impl Fn(&str, usize) -> bool,
) -> BTreeSet<&'a str> {
    let mut region = BTreeSet::new();
    let mut queue = vec![borrow.block];
    while let Some(name) = queue.pop() {
        let Some(block) = body.get(name) else {
            continue;
        };
        let is_start = name == borrow.block;
        if (block.is_arm && !is_start) || !region.insert(name) {
            continue;
        }
        if !reads(name, if is_start { borrow.line + 1 } else { 0 }) {
            queue.extend(block.next.iter().copied());
        }
    }
    region
}

/// Whether a block of the region that fulfils the condition comes after `from`.
fn reaches(
    body: &Body<'_>,
    region: &BTreeSet<&str>,
    from: &str,
    is_wanted: &impl Fn(&str) -> bool,
) -> bool {
    let next = |name: &str| body.get(name).map_or(&[][..], |block| &block.next);
    let mut seen = BTreeSet::new();
    let mut queue: Vec<&str> = next(from).to_vec();
    while let Some(name) = queue.pop() {
        if region.contains(name) && seen.insert(name) {
            if is_wanted(name) {
                return true;
            }
            queue.extend(next(name));
        }
    }
    false
}

/// Whether a statement assigns to the variable or a part of it, moves it or
/// borrows it mutably.
fn changes(line: &str, variable: &str) -> bool {
    let Some((target, value)) = line.split_once(" = ") else {
        return false;
    };
    let is_named = |text: &str| variables(text).any(|word| word == variable);
    let words = ["mut ", "move "];
    is_named(target)
        || words.iter().any(|word| {
            value
                .match_indices(word)
                .any(|(at, _)| is_named(value[at..].split(',').next().unwrap_or(value)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A guard of `_1` whose blocks after the borrow are these.
    fn guarded(blocks: &str) -> String {
        format!(
            "// MIR for `main` after built\n\nfn main() -> () {{\n    bb0: {{\n        \
             falseEdge -> [real: bb1, imaginary: bb9];\n    }}\n\n    bb1: {{\n        \
             _3 = &'{{erased}} fake shallow _1;\n{blocks}\n    bb9: {{\n        _1 = const 4_u8;\n        \
             return;\n    }}\n}}\n"
        )
    }

    #[test]
    fn a_change_before_what_never_returns_is_refused() {
        let assigned = "        _1 = const 5_u8;\n        switchInt(move _4) -> [0: bb3, otherwise: bb2];\n    }\n\n    bb2: {\n        _5 = never() -> unwind bb8;\n    }\n\n    bb3: {\n        goto -> bb9;\n    }\n\n    bb7: {\n        FakeRead(ForMatchGuard, _3);\n        return;\n    }\n";
        let refusals = find(&guarded(assigned));
        assert_eq!(refusals.len(), 1);
        assert_eq!(refusals[0].item, "main");
        let borrowed = assigned.replace("_1 = const 5_u8;", "_6 = &'{erased} mut _1;");
        assert_eq!(find(&guarded(&borrowed)).len(), 1);
        let read = assigned.replace("_1 = const 5_u8;", "_6 = copy _1;");
        assert!(find(&guarded(&read)).is_empty());
    }

    #[test]
    fn a_change_that_the_borrow_checker_sees_is_left_to_it() {
        let seen = "        _1 = const 5_u8;\n        switchInt(move _4) -> [0: bb3, otherwise: bb2];\n    }\n\n    bb2: {\n        FakeRead(ForMatchGuard, _3);\n        return;\n    }\n\n    bb3: {\n        goto -> bb9;\n    }\n";
        assert!(find(&guarded(seen)).is_empty());
    }
}
