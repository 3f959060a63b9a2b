//! What looks like a hole and is none: all of it must pass.
//!
//! Issue: none
//! Gives: nothing
//! Seen: prints what it was given
//! Refused by: nothing

use std::collections::BTreeMap;
use std::fmt::{self, Display};

struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (word, rest) = self.rest.split_once(' ')?;
        self.rest = rest;
        Some(word)
    }
}

struct Pair<'a, T>(&'a T, &'a [T]);

impl<'a, T: Display> Pair<'a, T> {
    fn first(&self) -> &'a T {
        self.0
    }

    fn all(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.1.iter()
    }
}

impl<T: Display> Display for Pair<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl<'a, T> IntoIterator for &'a Pair<'a, T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.1.iter()
    }
}

fn longest<'long: 'short, 'short>(one: &'short &'long str, other: &'long str) -> &'short str {
    if one.len() > other.len() { one } else { other }
}

fn pick<T, U: ?Sized>(value: &T, choose: impl for<'a> Fn(&'a T) -> &'a U) -> &U {
    choose(value)
}

fn boxed(choose: Box<dyn for<'a> Fn(&'a str) -> &'a str>) -> String {
    choose("given").to_owned()
}

fn start(code: impl FnOnce() -> usize + Send + 'static) -> usize {
    code()
}

fn sum<I: IntoIterator<Item = u64>>(numbers: I) -> u64 {
    numbers.into_iter().sum()
}

fn last<I: Iterator>(mut items: I, or: I::Item) -> I::Item {
    items.by_ref().last().unwrap_or(or)
}

fn table() -> BTreeMap<&'static str, fn(&str, &mut Vec<u8>) -> usize> {
    fn count(text: &str, into: &mut Vec<u8>) -> usize {
        into.extend(text.bytes());
        text.len()
    }
    BTreeMap::from([("count", count as fn(&str, &mut Vec<u8>) -> usize)])
}

fn guarded(mut value: Option<u8>, limit: &mut u8) -> u8 {
    match value {
        Some(number) if number > *limit => number,
        Some(_)
            if {
                *limit += 1;
                *limit > 3
            } =>
        {
            value = None;
            value.unwrap_or(*limit)
        }
        None => {
            value = Some(1);
            value.unwrap_or(0)
        }
        Some(number) => number,
    }
}

fn main() {
    let words: Vec<&str> = Words { rest: "a b c" }.collect();
    let numbers = [1_u64, 2, 3];
    let pair = Pair(&numbers[0], &numbers);
    let mut bytes = Vec::new();
    let counted = table().get("count").map(|count| count("four", &mut bytes));
    println!("{words:?} {pair} {} {:?}", pair.first(), pair.all().count());
    println!("{} {counted:?}", longest(&"a", "bc"));
    println!("{} {}", pick(&words, |words| words[0]), boxed(Box::new(|text| text)));
    println!("{} {}", start(|| 7), sum((&pair).into_iter().copied()));
    println!("{} {}", last(numbers.iter(), &9), guarded(Some(2), &mut 2));
    let mut peeked = numbers.iter().peekable();
    println!("{:?}", peeked.peek());
    println!("{:?}", peeked.next_if(|number| **number == 1));
}
