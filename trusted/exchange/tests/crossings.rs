//! Crossings between domains of the stand-in kernel.
#![expect(missing_docs, reason = "a test has no readers of documentation")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exchange::host::{Domain, adopt, die_here, objects_of, reclaim};
use exchange::{Exchangeable, Proxy, RRef, RRefDeque, RRefSlice, RpcResult, interface};

#[derive(Exchangeable, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Point {
    x: u32,
    y: u64,
}

#[derive(Exchangeable, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum CounterError {
    TooBig(u32),
    Other,
}

#[derive(Exchangeable, Debug)]
#[repr(C)]
pub struct Request {
    id: u64,
    data: RRefSlice<u8>,
    more: Option<RRef<Point>>,
}

#[interface]
pub trait Counter {
    /// Adds.
    fn add(&self, amount: u64) -> RpcResult<u64>;
    fn sum(&self, values: &[u32], into: &mut [u8], name: &str) -> RpcResult<u64>;
    fn point(&self, point: &Point) -> RpcResult<Result<Point, CounterError>>;
    fn keep(&self, value: RRef<Point>) -> RpcResult<()>;
    fn batch(
        &self,
        batch: RRefDeque<Request, 4>,
    ) -> RpcResult<Result<RRefDeque<Request, 4>, CounterError>>;
    fn die(&self, value: RRef<Point>) -> RpcResult<RRef<Point>>;
    fn other(&self, call: Proxy<dyn Counter>) -> RpcResult<Proxy<dyn Counter>>;
}

#[derive(Default)]
struct Adder {
    total: AtomicU64,
}

impl Counter for Adder {
    fn add(&self, amount: u64) -> RpcResult<u64> {
        Ok(self.total.fetch_add(amount, Ordering::Relaxed) + amount)
    }
    fn sum(&self, values: &[u32], into: &mut [u8], name: &str) -> RpcResult<u64> {
        into.fill(7);
        Ok(values.iter().map(|&value| u64::from(value)).sum::<u64>() + name.len() as u64)
    }
    fn point(&self, point: &Point) -> RpcResult<Result<Point, CounterError>> {
        if point.x > 10 {
            return Ok(Err(CounterError::TooBig(point.x)));
        }
        Ok(Ok(Point {
            x: point.x + 1,
            y: point.y,
        }))
    }
    fn keep(&self, value: RRef<Point>) -> RpcResult<()> {
        std::mem::forget(value);
        Ok(())
    }
    fn batch(
        &self,
        mut batch: RRefDeque<Request, 4>,
    ) -> RpcResult<Result<RRefDeque<Request, 4>, CounterError>> {
        let mut first = batch.pop_front().unwrap();
        first.data[0] += 1;
        drop(first.more.take());
        assert!(batch.push_back(first).is_ok());
        Ok(Ok(batch))
    }
    fn die(&self, _value: RRef<Point>) -> RpcResult<RRef<Point>> {
        die_here()
    }
    fn other(&self, call: Proxy<dyn Counter>) -> RpcResult<Proxy<dyn Counter>> {
        call.add(1)?;
        Ok(call)
    }
}

fn counter_in(domain: Domain) -> Proxy<dyn Counter> {
    adopt(domain.run(|| Proxy::export(Arc::new(Adder::default()) as Arc<dyn Counter>)))
}

#[test]
fn plain_calls() {
    let (caller, callee) = (Domain::new(), Domain::new());
    let counter = counter_in(callee);
    caller.run(|| {
        assert_eq!(counter.add(3), Ok(3));
        assert_eq!(counter.add(4), Ok(7));
        let mut buffer = [0; 5];
        assert_eq!(counter.sum(&[1, 2, 3], &mut buffer, "abcd"), Ok(10));
        assert_eq!(buffer, [7; 5]);
        assert_eq!(
            counter.point(&Point { x: 1, y: 2 }),
            Ok(Ok(Point { x: 2, y: 2 }))
        );
        assert_eq!(
            counter.point(&Point { x: 11, y: 2 }),
            Ok(Err(CounterError::TooBig(11)))
        );
    });
}

#[test]
fn ownership_moves_with_arguments_and_results() {
    let (caller, callee) = (Domain::new(), Domain::new());
    let counter = counter_in(callee);
    let before = objects_of(callee.id());
    caller.run(|| {
        counter.keep(RRef::new(Point { x: 1, y: 2 })).unwrap();
        assert_eq!(objects_of(callee.id()), before + 1);
        let mut batch = RRefDeque::new();
        for id in 0..3 {
            let more = Some(RRef::new(Point { x: 0, y: id }));
            assert!(
                batch
                    .push_back(Request {
                        id,
                        data: RRefSlice::zeroed(9),
                        more
                    })
                    .is_ok()
            );
        }
        assert_eq!(objects_of(caller.id()), 7);
        let batch = counter.batch(batch).unwrap().unwrap();
        assert_eq!(objects_of(caller.id()), 6);
        assert_eq!(
            batch.iter().map(|request| request.id).collect::<Vec<_>>(),
            [1, 2, 0]
        );
        assert_eq!(batch.get(2).unwrap().data[0], 1);
    });
    assert_eq!(objects_of(caller.id()), 0);
    assert_eq!(objects_of(callee.id()), before + 1);
}

#[test]
fn death_during_a_call_takes_what_was_moved() {
    let (caller, callee) = (Domain::new(), Domain::new());
    let counter = counter_in(callee);
    let owned = objects_of(callee.id());
    caller.run(|| {
        let error = counter.die(RRef::new(Point { x: 1, y: 2 })).unwrap_err();
        assert!(error.is_domain_dead());
        assert_eq!(objects_of(caller.id()), 0);
        assert_eq!(objects_of(callee.id()), owned + 1);
        assert_eq!(reclaim(callee.id()), owned + 1);
    });
}

#[test]
fn a_dead_callee_leaves_arguments_to_the_caller_who_drops_them() {
    let (caller, callee) = (Domain::new(), Domain::new());
    let counter = counter_in(callee);
    callee.die();
    caller.run(|| {
        assert!(counter.add(1).unwrap_err().is_domain_dead());
        assert!(counter.keep(RRef::new(Point { x: 1, y: 2 })).is_err());
        assert_eq!(objects_of(caller.id()), 0);
    });
}

#[test]
fn proxies_cross() {
    let (caller, callee, third) = (Domain::new(), Domain::new(), Domain::new());
    let counter = counter_in(callee);
    let other = counter_in(third);
    caller.run(|| {
        let clone = other.try_clone().unwrap();
        assert!(clone.is_same_object(&other));
        let back = counter.other(clone).unwrap();
        assert_eq!(back.add(1), Ok(2));
        drop(back);
        assert_eq!(other.add(1), Ok(3));
    });
}
