//! The smallest domain: ends as soon as it is started.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

use runtime::{ExitStatus, StartError, domain};

/// Exits with status 0.
#[domain]
fn minimal() -> Result<ExitStatus, StartError> {
    Ok(ExitStatus(0))
}
