//! A blanket implementation contradicts that of the trait object.
//!
//! Issue: 57893
//! Gives: any value is any other value of its size
//! Seen: prints the number as the address of a reference
//! Refused by: solver, shapes
//! Reason: cannot normalize

trait Shape<U> {
    type Out;
}

impl<T: ?Sized, U> Shape<U> for T {
    type Out = U;
}

fn pull<T: ?Sized, U>(value: <T as Shape<U>>::Out) -> U {
    value
}

fn transmute<T, U>(value: T) -> U {
    pull::<dyn Shape<U, Out = T>, U>(value)
}

fn main() {
    let wild: &'static u64 = transmute::<usize, _>(0xdead_bee8);
    println!("{wild:p}");
}
