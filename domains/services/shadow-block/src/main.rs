//! The block-shadow domain: a block device whose driver may die.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::Proxy;
use interfaces::block::BlockDevice;
use runtime::{Options, StartError, domain};
use shadow::Guard;
use shadow_block::Shadow;

/// Stands in front of `guarded`. Options: those of [`Guard::new`].
#[domain]
fn shadow_block(
    guarded: Proxy<dyn BlockDevice>,
    options: Options,
) -> Result<Arc<dyn BlockDevice>, StartError> {
    Ok(Arc::new(Shadow::new(Guard::new(guarded, &options)?)))
}
