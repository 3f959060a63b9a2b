//! The keeper domain: another domain's state, safe from that one's death.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use interfaces::keep::Keeper;
use keeper::Store;
use runtime::{Options, StartError, domain};

/// Option: `limit`, the most bytes to keep, 64 MiB unless given.
#[domain]
fn keeper(options: Options) -> Result<Arc<dyn Keeper>, StartError> {
    Ok(Arc::new(Store::new(options.size("limit", 64 << 20)?)))
}
