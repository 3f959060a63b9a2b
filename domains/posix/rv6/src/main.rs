//! The image of Rv6: its capabilities, the first process, power off.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod boot;
mod kernel;

use alloc::boxed::Box;
use alloc::sync::Arc;

use interfaces::files::FileSystem;
use interfaces::keep::Keeper;
use interfaces::supervisor::Supervisor;
use runtime::thread::{self, Priority};
use runtime::{BootArchive, Console, DomainControl, Options, Proxy, StartError, domain};
use rv6::rv6::{Rv6, Supervision};

use crate::boot::BootText;
use crate::kernel::Kernel;

#[domain]
fn rv6(
    files: Proxy<dyn FileSystem>,
    control: DomainControl,
    console: Console,
    supervisor: Option<Proxy<dyn Supervisor>>,
    keeper: Option<Proxy<dyn Keeper>>,
    archive: BootArchive,
    options: Option<Options>,
) -> Result<(), StartError> {
    let boot = BootText::read(&archive, &options.unwrap_or_default());
    let system = Arc::new(Kernel::new(control, console));
    let supervision = supervisor.map(supervision).transpose()?;
    let is_interactive = boot.is_interactive();
    let files = Box::new(files);
    let rv6 = match keeper {
        Some(keeper) => {
            let keeper = Box::new(keeper);
            Rv6::resume(system.clone(), files, supervision, keeper, is_interactive)
                .map_err(StartError::new)?
        }
        None => Arc::new(Rv6::new(system.clone(), files, supervision, is_interactive)),
    };
    if boot.has_input() {
        let fed = Arc::clone(&rv6);
        thread::spawn("terminal", Priority::High, move || fed.feed_terminal())
            .map_err(kernel::service_error)?;
    } else {
        rv6.terminal().end_input();
    }
    let watched = Arc::clone(&rv6);
    thread::spawn("watch", Priority::High, move || watched.release_dying())
        .map_err(kernel::service_error)?;
    let ending = Arc::clone(&rv6);
    thread::spawn("ends", Priority::High, move || ending.watch_ends())
        .map_err(kernel::service_error)?;
    thread::spawn("first", Priority::Normal, move || {
        boot::run(&rv6, &system, &boot)
    })
    .map_err(kernel::service_error)?;
    Ok(())
}

/// The supervisor for administrators, and the one for all others.
fn supervision(administrator: Proxy<dyn Supervisor>) -> Result<Supervision, StartError> {
    match administrator.observer()? {
        Ok(observer) => Ok(Supervision {
            administrator,
            observer,
        }),
        Err(error) => Err(StartError::new(format_args!(
            "the supervisor gives no observer: {error:?}"
        ))),
    }
}
