//! The supervisor: starts the domains of a system and restarts what dies.
//!
//! The kernel starts it from the boot archive with control over domains. It
//! reads the system's plan, starts the domains in order with what the plan
//! hands them ([`system`]), and then waits for deaths ([`supervise`]). A domain
//! that is to be restarted gets a successor with the same grants, and
//! everybody's proxies are redirected to it; how often, [`policy`] decides.
//! Nobody else names who talks to whom.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod answer;
mod archive;
mod grants;
mod injection;
mod intention;
mod inventory;
mod policy;
mod service;
mod succession;
mod supervise;
mod system;
mod tracing;
mod upgrade;

use alloc::sync::Arc;

use runtime::thread::{Priority, spawn};
use runtime::{BootArchive, DomainControl, StartError, domain};

use crate::archive::Archive;
use crate::system::System;

/// Starts the system the boot archive describes.
#[domain]
fn init(control: DomainControl, archive: BootArchive) -> Result<(), StartError> {
    let archive = Archive::new(
        archive
            .bytes()
            .map_err(|error| StartError::new(format_args!("no boot archive: {error:?}")))?,
    );
    let system = Arc::new(System::new(control, archive)?);
    let watched = Arc::clone(&system);
    spawn("supervisor", Priority::High, move || watched.watch())
        .map_err(|error| StartError::new(format_args!("no thread to watch domains: {error:?}")))?;
    let started = Arc::clone(&system);
    spawn("start", Priority::Normal, move || started.run())
        .map_err(|error| StartError::new(format_args!("no thread to start domains: {error:?}")))?;
    Ok(())
}
