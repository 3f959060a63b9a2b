//! One of a chain of domains, each of which needs the one before it.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::sync::Arc;

use exchange::{Proxy, RRef, RpcResult};
use interfaces::bench::{Echo, EchoBatch};
use runtime::thread::{self, Priority};
use runtime::time::Duration;
use runtime::{Options, StartError, domain, log};

struct Link {
    before: Option<Proxy<dyn Echo>>,
}

/// Says that it starts. Options: `name`, to say so; `die_ms`, after which it
/// panics, if that is not 0.
#[domain]
fn link(before: Option<Proxy<dyn Echo>>, options: Options) -> Result<Arc<dyn Echo>, StartError> {
    let name = String::from(options.required("name")?);
    log::info!("link {name} starts");
    let die_ms = options.number("die_ms", 0)?;
    if die_ms != 0 {
        thread::spawn("dies", Priority::Normal, move || {
            thread::sleep(Duration::from_millis(die_ms));
            panic!("link {name} was to die");
        })
        .map_err(|error| StartError::new(format_args!("no thread: {error:?}")))?;
    }
    Ok(Arc::new(Link { before }))
}

impl Echo for Link {
    fn null(&self) -> RpcResult<()> {
        self.before.as_ref().map_or(Ok(()), Echo::null)
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
