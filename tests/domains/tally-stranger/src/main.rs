//! Knows no version of its predecessor's state, and does not start.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::Proxy;
use interfaces::bench::Echo;
use interfaces::succession::Succession;
use runtime::{StartError, domain};

#[domain]
fn tally_stranger(succession: Proxy<dyn Succession>) -> Result<Arc<dyn Echo>, StartError> {
    let version = succession.inherited()?.map_or(0, |state| state.version);
    Err(StartError::new(format_args!(
        "the state has version {version}, and this image knows none"
    )))
}
