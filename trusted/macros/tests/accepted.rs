//! What the IDL accepts, in one crate that forbids unsafe code.
#![forbid(unsafe_code)]
#![expect(missing_docs, reason = "a test has no readers of documentation")]
extern crate alloc;

use alloc::sync::Arc;

use exchange::{Exchangeable, Proxy, RRef, RRefDeque, RRefSlice, RpcResult, interface};
use runtime::{Bytes, Console, DomainControl, HostFile, Options, StartError, domain};

#[derive(Exchangeable, Clone, Copy)]
#[repr(C)]
pub struct Plain {
    number: u32,
    flags: [bool; 4],
    pair: (u8, f64),
}

#[derive(Exchangeable, Clone, Copy)]
#[repr(C)]
pub struct Numbers {
    byte: u8,
    real: f64,
    pairs: [(u16, i8); 3],
    sector: Sector,
}

/// Types named like what the macros make or use.
#[derive(Exchangeable, Clone, Copy)]
#[repr(C)]
pub struct T {
    fingerprint: u8,
}

#[derive(Exchangeable, Clone, Copy)]
#[repr(C)]
pub struct Exports {
    owner: T,
}

/// As long as something that the macros make is named.
pub const RECORD: usize = 3;

#[derive(Exchangeable)]
#[repr(C)]
pub struct Nested {
    plain: Plain,
    one: RRef<Plain>,
    maybe: Option<RRef<u64>>,
    many: RRefSlice<RRefDeque<RRef<u8>, 8>>,
    service: Option<Proxy<dyn Service>>,
}

#[derive(Exchangeable, Clone, Copy)]
#[repr(transparent)]
pub struct Sector(pub u64);

#[derive(Exchangeable)]
#[repr(C)]
pub enum Failure {
    Nothing,
    At(Sector),
    Both { first: Sector, last: Option<u32> },
}

#[interface]
pub trait Service {
    fn nothing(&self) -> RpcResult<()>;
    fn values(&self, a: u8, b: Plain, c: Nested, d: Option<RRef<Plain>>) -> RpcResult<Nested>;
    fn lent(
        &self,
        a: &Plain,
        b: &mut Numbers,
        c: &[u8],
        d: &mut [Sector],
        e: &str,
    ) -> RpcResult<u64>;
    fn fails(&self, it: RRefDeque<Nested, 4>) -> RpcResult<Result<RRefDeque<Nested, 4>, Failure>>;
    fn objects(&self, it: Proxy<dyn Other>) -> RpcResult<Proxy<dyn Service>>;
}

#[interface]
pub trait Other {
    fn back(&self) -> RpcResult<Option<Proxy<dyn Service>>>;
    fn named(&self, object: T, arguments: [Exports; RECORD]) -> RpcResult<T>;
    #[repeatable]
    fn again(&self, a: u8, b: Plain, c: &mut [u8], d: &str) -> RpcResult<Result<u64, Failure>>;
}

#[domain]
fn everything(
    service: Proxy<dyn Service>,
    _spare: Option<Proxy<dyn Other>>,
    options: Options,
    arguments: Bytes,
    _control: DomainControl,
    _console: Console,
    _file: HostFile,
) -> Result<Arc<dyn Service>, StartError> {
    let count = options.number("count", 1)?;
    if arguments.0.len() as u64 > count {
        return Err(StartError::new("too many arguments"));
    }
    Ok(Arc::new(service))
}

#[test]
fn fingerprints_depend_on_the_definition() {
    use exchange::Interface;
    let service = <dyn Service>::FINGERPRINT;
    let other = <dyn Other>::FINGERPRINT;
    assert!(service != 0 && service != other);
    assert_eq!(<dyn Service>::NAME, "Service");
    assert_ne!(Plain::LAYOUT.fingerprint, Nested::LAYOUT.fingerprint);
    // Three references in `Nested`, at the offsets of its fields, and one more
    // in the place of `maybe`.
    let offsets: Vec<usize> = Nested::LAYOUT
        .slots
        .iter()
        .map(|slot| slot.offset)
        .collect();
    let one = core::mem::offset_of!(Nested, one);
    assert_eq!(offsets, [one, one + 8, one + 16, one + 24]);
    assert!(Plain::LAYOUT.slots.is_empty());
}
