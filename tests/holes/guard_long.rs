//! The name of the function is too long for a file's.
//!
//! Issue: 161578
//! Gives: a number is taken for a box: any address is written
//! Seen: takes the arm of a box, whose address is the number
//! Refused by: guards, shapes
//! Reason: a path of more than

enum Either {
    Number(usize),
    Boxed(Box<u64>),
}

fn never() -> ! {
    loop {}
}

enum Nobody {}

fn nobody() -> Nobody {
    never()
}

impl Either {
    fn change(&mut self) -> bool {
        *self = Self::Number(0xdead_bee8);
        false
    }
}

fn look_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx() {
    let mut either = Either::Boxed(Box::new(7));
    match either {
        Either::Boxed(_) if either.change() && match nobody() {} => {}
        Either::Boxed(ref boxed) => println!("a box at {:p}", &**boxed),
        Either::Number(number) => println!("a number {number}"),
    }
}

fn main() {
    look_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx();
}
