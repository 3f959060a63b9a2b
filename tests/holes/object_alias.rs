//! An implementation for a trait object under an associated type's name.
//!
//! Issue: 152783
//! Gives: any value is any other value of its size
//! Seen: prints the number as the address of a reference
//! Refused by: solver, shapes
//! Reason: cannot normalize

trait Trait<T> {
    type Type;
}

trait Name {
    type Of: ?Sized;
}

impl Name for () {
    type Of = dyn Trait<u8, Type = usize>;
}

impl<T> Trait<T> for <() as Name>::Of {
    type Type = &'static u64;
}

fn pull<T>(value: <<() as Name>::Of as Trait<T>>::Type) -> &'static u64 {
    value
}

fn main() {
    println!("{:p}", pull::<u8>(0xdead_bee8_usize));
}
