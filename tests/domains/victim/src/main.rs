//! A domain of the stress test: it calls others, keeps things, and dies.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::{Proxy, RRef, RpcResult};
use interfaces::stress::{Ending, StressBatch, Victim};
use runtime::sync::Mutex;
use runtime::time::Duration;
use runtime::{StartError, domain, thread};

#[derive(Default)]
struct Mortal {
    kept: Mutex<Option<RRef<u64>>>,
}

/// Provides the object to call.
#[domain]
fn victim() -> Result<Arc<dyn Victim>, StartError> {
    Ok(Arc::new(Mortal::default()))
}

impl Victim for Mortal {
    fn sum(&self, bytes: &[u8]) -> RpcResult<u64> {
        Ok(bytes.iter().map(|&byte| u64::from(byte)).sum())
    }

    fn fill(&self, bytes: &mut [u8], value: u8) -> RpcResult<()> {
        bytes.fill(value);
        Ok(())
    }

    fn count(&self, mut object: RRef<u64>) -> RpcResult<RRef<u64>> {
        *object += 1;
        Ok(object)
    }

    fn count_all(&self, mut batch: StressBatch) -> RpcResult<StressBatch> {
        let mut counted = StressBatch::new();
        while let Some(mut object) = batch.pop_front() {
            *object += 1;
            // A batch fits into a batch.
            let _fits = counted.push_back(object);
        }
        Ok(counted)
    }

    fn keep(&self, object: RRef<u64>) -> RpcResult<()> {
        *self.kept.lock() = Some(object);
        Ok(())
    }

    fn relay(&self, next: Proxy<dyn Victim>, bytes: &[u8]) -> RpcResult<Option<u64>> {
        Ok(next.sum(bytes).ok())
    }

    fn nap(&self, length_us: u64) -> RpcResult<()> {
        let kept = self.kept.lock();
        thread::sleep(Duration::from_micros(length_us));
        drop(kept);
        Ok(())
    }

    fn end(&self, ending: Ending) -> RpcResult<()> {
        match ending {
            Ending::Panic => panic!("asked to"),
            Ending::Recursion => {
                descend(0);
                Ok(())
            }
            Ending::Loop => loop {
                core::hint::spin_loop();
            },
            Ending::Exit => thread::exit(0),
        }
    }
}

/// Calls itself until the stack ends.
fn descend(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 32]);
    if frame[0] == u64::MAX {
        return depth;
    }
    descend(depth + 1) + frame[1]
}
