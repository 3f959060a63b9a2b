//! The transmutation is a method of the blanket implementation.
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

struct Mill<T: ?Sized>(std::marker::PhantomData<T>);

impl<T: ?Sized> Mill<T> {
    fn pull<U>(value: <T as Shape<U>>::Out) -> U {
        value
    }
}

fn transmute<T, U>(value: T) -> U {
    Mill::<dyn Shape<U, Out = T>>::pull(value)
}

fn main() {
    let wild: &'static u64 = transmute::<usize, _>(0xdead_bee8);
    println!("{wild:p}");
}
