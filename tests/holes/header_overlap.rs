//! Coherence misses an overlap behind a higher-ranked alias.
//!
//! Issue: 161404
//! Gives: any address as a reference
//! Seen: prints the address
//! Refused by: shapes
//! Reason: an associated type in the header of impl

struct Wrap<T>(T);
trait Id { type Out; }
impl<T> Id for T { type Out = u16; }
trait Probe {}
impl<'c> Probe for &'c Wrap<for<'a> fn(<&'a &'c u64 as Id>::Out)> {}
trait Indirect {}
impl<P: Probe> Indirect for P {}
trait Mark {}
impl Mark for fn(u16) {}
trait Select { type Assoc; }
impl<X> Select for X where for<'d> &'d Wrap<X>: Indirect { type Assoc = usize; }
impl<Z: Mark> Select for Z { type Assoc = &'static i32; }
trait Same: Sized {
    type Other: Select;
    fn convert(x: <Self as Select>::Assoc) -> <Self::Other as Select>::Assoc
    where for<'a> &'a Wrap<Self>: Indirect;
}
impl<T> Same for T where for<'a> &'a Wrap<T>: Indirect {
    type Other = T;
    fn convert(x: usize) -> usize { x }
}
fn transmute<T, U>(x: usize) -> &'static i32
where T: Same<Other = U>, U: Mark, for<'a> &'a Wrap<T>: Indirect
{ T::convert(x) }
fn main() { let r = transmute::<fn(u16), fn(u16)>(0x4141_4141_4140); println!("{:p}", r); }

