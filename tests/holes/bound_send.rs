//! The bound says what may go to another thread.
//!
//! Issue: 152607
//! Gives: anything goes to another thread
//! Seen: counts a reference that another thread dropped
//! Refused by: shapes
//! Reason: bounds an associated type of another in place

trait Super {
    type Type;
}

trait Sub: Super<Type: Send> {}

fn sent<T: Sub<Type = A> + ?Sized, A: 'static>(value: A) -> Box<dyn Send> {
    Box::new(value)
}

fn main() {
    let count = std::rc::Rc::new(1);
    let other = sent::<dyn Sub<Type = std::rc::Rc<u8>>, _>(count.clone());
    std::thread::spawn(move || drop(other)).join().unwrap();
    println!("{}", std::rc::Rc::strong_count(&count));
}
