//! A guard assigns, and what follows would panic.
//!
//! Issue: 161578
//! Gives: a number is taken for a box: any address is written
//! Seen: takes the arm of a box, whose address is the number
//! Refused by: guards
//! Reason: match guard

enum Either {
    Number(usize),
    Boxed(Box<u64>),
}

fn main() {
    let mut either = Either::Boxed(Box::new(7));
    match either {
        Either::Boxed(_) if { either = Either::Number(0xdead_bee8); false } && panic!() => {}
        Either::Boxed(ref boxed) => println!("a box at {:p}", &**boxed),
        Either::Number(number) => println!("a number {number}"),
    }
}
