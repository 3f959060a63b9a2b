//! What crosses arrives, in registers or in memory, whatever its size.
#![expect(missing_docs, reason = "a test has no readers of documentation")]
#![expect(
    clippy::too_many_arguments,
    reason = "as many as a method of an interface may have"
)]

use std::sync::Arc;

use exchange::host::{Domain, adopt, objects_of, reclaim, total_objects};
use exchange::{Exchangeable, Proxy, RRef, RpcResult, interface};

#[derive(Exchangeable, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Odd {
    byte: u8,
    half: u16,
    word: u32,
    flag: bool,
}

#[interface]
pub trait Sizes {
    fn flag(&self, it: bool) -> RpcResult<bool>;
    fn odd(&self, it: Odd, more: u8) -> RpcResult<Odd>;
    fn three(&self, first: u64, bytes: &[u8]) -> RpcResult<u64>;
    fn four(&self, bytes: &mut [u8], more: &[u8]) -> RpcResult<u32>;
    fn wide(&self, it: u128) -> RpcResult<u128>;
    fn small_and_wide(&self, small: u8, wide: u128) -> RpcResult<(u8, u128)>;
    fn eight(
        &self,
        a: u8,
        b: u64,
        c: &str,
        d: i16,
        e: f64,
        f: bool,
        g: u32,
        h: char,
    ) -> RpcResult<[u64; 8]>;
    fn maybe(&self, it: Option<RRef<u64>>) -> RpcResult<Option<RRef<u64>>>;
    fn many(&self, it: [RRef<u64>; 4], more: u8) -> RpcResult<[RRef<u64>; 4]>;
    fn fails(&self, dead: &str) -> RpcResult<RRef<u64>>;
}

/// Adds its number to whatever it can, so that its methods are told from another
/// type's.
struct Plus<const N: u8>(Option<Proxy<dyn Sizes>>);

impl<const N: u8> Sizes for Plus<N> {
    fn flag(&self, it: bool) -> RpcResult<bool> {
        Ok(!it)
    }
    fn odd(&self, it: Odd, more: u8) -> RpcResult<Odd> {
        let byte = it.byte + more + N;
        Ok(Odd { byte, ..it })
    }
    fn three(&self, first: u64, bytes: &[u8]) -> RpcResult<u64> {
        Ok(first + bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>() + u64::from(N))
    }
    fn four(&self, bytes: &mut [u8], more: &[u8]) -> RpcResult<u32> {
        bytes.copy_from_slice(more);
        Ok(more.len() as u32 + u32::from(N))
    }
    fn wide(&self, it: u128) -> RpcResult<u128> {
        Ok(it + u128::from(N))
    }
    fn small_and_wide(&self, small: u8, wide: u128) -> RpcResult<(u8, u128)> {
        Ok((small + N, wide))
    }
    fn eight(
        &self,
        a: u8,
        b: u64,
        c: &str,
        d: i16,
        e: f64,
        f: bool,
        g: u32,
        h: char,
    ) -> RpcResult<[u64; 8]> {
        let (c, d, e) = (c.len() as u64, d as u64, e.to_bits());
        Ok([
            a.into(),
            b,
            c,
            d,
            e,
            f.into(),
            g.into(),
            u64::from(u32::from(h)),
        ])
    }
    fn maybe(&self, it: Option<RRef<u64>>) -> RpcResult<Option<RRef<u64>>> {
        Ok(it.map(|object| RRef::new(*object + u64::from(N))))
    }
    fn many(&self, mut it: [RRef<u64>; 4], more: u8) -> RpcResult<[RRef<u64>; 4]> {
        *it[3] += u64::from(more + N);
        Ok(it)
    }
    fn fails(&self, dead: &str) -> RpcResult<RRef<u64>> {
        assert_eq!(dead, "other");
        let other = self.0.as_ref().expect("made with another");
        other.fails(dead)
    }
}

fn export<const N: u8>(domain: Domain, other: Option<Proxy<dyn Sizes>>) -> Proxy<dyn Sizes> {
    adopt(domain.run(|| Proxy::export(Arc::new(Plus::<N>(other)) as Arc<dyn Sizes>)))
}

fn check(proxy: &Proxy<dyn Sizes>, plus: u8) {
    assert_eq!(proxy.flag(true), Ok(false));
    assert_eq!(proxy.flag(false), Ok(true));
    let odd = Odd {
        byte: 1,
        half: 0xabcd,
        word: 0x1234_5678,
        flag: true,
    };
    let byte = 8 + plus;
    assert_eq!(proxy.odd(odd, 7), Ok(Odd { byte, ..odd }));
    let plus_word = u64::from(plus);
    assert_eq!(
        proxy.three(1 << 40, &[1, 2, 3]),
        Ok((1 << 40) + 6 + plus_word)
    );
    let mut bytes = [0; 3];
    assert_eq!(proxy.four(&mut bytes, b"abc"), Ok(3 + u32::from(plus)));
    assert_eq!(&bytes, b"abc");
    assert_eq!(proxy.wide(1 << 100), Ok((1 << 100) + u128::from(plus)));
    assert_eq!(proxy.small_and_wide(1, 1 << 100), Ok((1 + plus, 1 << 100)));
    assert_eq!(
        proxy.eight(1, u64::MAX, "abc", -1, 0.5, true, 7, 'x'),
        Ok([1, u64::MAX, 3, u64::MAX, 0.5_f64.to_bits(), 1, 7, 0x78])
    );
    let maybe = proxy.maybe(Some(RRef::new(5))).unwrap();
    assert_eq!(maybe.as_deref(), Some(&(5 + plus_word)));
    assert_eq!(proxy.maybe(None), Ok(None));
    let many = proxy.many([1, 2, 3, 4].map(RRef::new), 3).unwrap();
    assert_eq!(many.map(RRef::into_inner), [1, 2, 3, 7 + plus_word]);
}

#[test]
fn values_of_every_size_arrive_at_the_object_of_the_right_type() {
    let (caller, callee) = (Domain::new(), Domain::new());
    let (one, two) = (export::<1>(callee, None), export::<2>(callee, None));
    caller.run(|| {
        check(&one, 1);
        check(&two, 2);
        check(&one, 1);
        assert_eq!(objects_of(caller.id()), 0);
    });
}

#[test]
fn a_proxy_that_is_exported_itself_leads_on() {
    let (caller, middle, callee) = (Domain::new(), Domain::new(), Domain::new());
    let inner = export::<3>(callee, None);
    let outer = adopt(middle.run(|| Proxy::export(Arc::new(adopt(inner)) as Arc<dyn Sizes>)));
    caller.run(|| check(&outer, 3));
}

#[test]
fn an_object_is_dropped_as_the_type_it_is_of() {
    let before = total_objects();
    let (owner, third) = (Domain::new(), Domain::new());
    let held = owner.run(|| adopt(export::<1>(third, None)));
    let proxy = export::<2>(owner, Some(held));
    assert_eq!(total_objects(), before + 2);
    drop(proxy);
    assert_eq!(total_objects(), before);
}

#[test]
fn what_does_not_start_gives_its_arguments_back_from_registers_and_memory() {
    let (caller, callee) = (Domain::new(), Domain::new());
    let proxy = export::<1>(callee, None);
    callee.die();
    caller.run(|| {
        assert!(
            proxy
                .maybe(Some(RRef::new(1)))
                .unwrap_err()
                .is_domain_dead()
        );
        let four = [1, 2, 3, 4].map(RRef::new);
        assert!(proxy.many(four, 1).unwrap_err().is_domain_dead());
        assert_eq!(objects_of(caller.id()), 0);
    });
    reclaim(callee.id());
}

#[test]
fn an_error_that_the_callee_met_is_passed_on_and_kills_nobody() {
    let (caller, middle, callee) = (Domain::new(), Domain::new(), Domain::new());
    let inner = middle.run(|| adopt(export::<1>(callee, None)));
    let outer = export::<2>(middle, Some(inner));
    callee.die();
    caller.run(|| {
        assert!(outer.fails("other").unwrap_err().is_domain_dead());
        // Disturbance is allowed again, and the domain in the middle lives.
        check(&outer, 2);
    });
}
