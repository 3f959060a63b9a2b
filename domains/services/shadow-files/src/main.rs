//! The file-shadow domain: a file system that may die.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::Proxy;
use interfaces::files::FileSystem;
use runtime::{Options, StartError, domain};
use shadow::Guard;
use shadow_files::Shadow;

/// Stands in front of `guarded`. Options: those of [`Guard::new`].
#[domain]
fn shadow_files(
    guarded: Proxy<dyn FileSystem>,
    options: Options,
) -> Result<Arc<dyn FileSystem>, StartError> {
    Ok(Arc::new(Shadow::new(Guard::new(guarded, &options)?)))
}
