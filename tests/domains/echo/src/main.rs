//! The callee of the crossing benchmark: gives back what it gets.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::{RRef, RpcResult};
use interfaces::bench::{Echo, EchoBatch};
use runtime::{StartError, domain};

struct Mirror;

/// Provides the object to call.
#[domain]
fn echo() -> Result<Arc<dyn Echo>, StartError> {
    Ok(Arc::new(Mirror))
}

impl Echo for Mirror {
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
        Ok(bytes.len() as u64)
    }
}
