//! The smallest domain that has everything a service has, to weigh it.
//!
//! It provides an object, keeps something on its private heap, and has a thread
//! of its own, which waits.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;

use exchange::{RRef, RpcResult};
use interfaces::bench::{Echo, EchoBatch};
use runtime::thread::{self, Priority};
use runtime::time::Instant;
use runtime::{StartError, domain};

/// Enough for a thread that waits.
const STACK_BYTES: usize = 40 << 10;

/// Words kept on the private heap.
const WORDS: u64 = 128;

struct Resident {
    words: Vec<u64>,
}

/// Starts the thread and provides the object.
#[domain]
fn resident() -> Result<Arc<dyn Echo>, StartError> {
    thread::spawn_with_stack("waits", Priority::Normal, STACK_BYTES, || {
        thread::sleep_until(Instant::NEVER);
    })
    .map_err(|error| StartError::new(format_args!("no thread: {error:?}")))?;
    let words = (0..WORDS).collect();
    Ok(Arc::new(Resident { words }))
}

impl Echo for Resident {
    fn null(&self) -> RpcResult<()> {
        Ok(())
    }

    fn reference(&self, object: RRef<u64>) -> RpcResult<RRef<u64>> {
        Ok(object)
    }

    fn batch(&self, batch: EchoBatch) -> RpcResult<EchoBatch> {
        Ok(batch)
    }

    fn slice(&self, bytes: &[u8]) -> RpcResult<u64> {
        Ok(bytes.len() as u64 + self.words.len() as u64)
    }
}
