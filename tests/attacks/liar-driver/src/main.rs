//! A driver whose recipes for stopping its device say nothing.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

use hardware::{PciFunction, ServiceError, StopRecipe};
use runtime::thread::{self, Priority};
use runtime::time::Duration;
use runtime::{StartError, domain, log};

/// What is true of QEMU's device `edu` at any time (its docs/specs/edu.rst): a test
/// register is written, and no interrupt is raised.
const TRUE_ANYWAY: StopRecipe = StopRecipe {
    bar: 0,
    control: 0x04,
    clear: 1,
    status: 0x24,
    mask: 1,
    value: 0,
};

/// Time in which the system gets started.
const FUSE: Duration = Duration::from_millis(100);

/// Tries recipes that the kernel refuses, leaves one that it cannot see through at
/// once, and dies.
#[domain]
fn liar_driver(function: PciFunction) -> Result<(), StartError> {
    function.map(0).map_err(failed)?;
    let honest = TRUE_ANYWAY;
    let refused = [
        StopRecipe::default(),
        StopRecipe { mask: 0, ..honest },
        StopRecipe { value: 6, ..honest },
        StopRecipe { clear: 0, ..honest },
        StopRecipe {
            status: honest.control,
            ..honest
        },
        StopRecipe {
            status: 1 << 20,
            ..honest
        },
        StopRecipe {
            control: u32::MAX,
            ..honest
        },
        StopRecipe {
            status: 0x25,
            ..honest
        },
        StopRecipe { bar: 1, ..honest },
        StopRecipe { bar: 6, ..honest },
    ];
    let obeyed = refused
        .iter()
        .filter(|recipe| function.set_stop(recipe).is_ok());
    log::info!(
        "recipes that say nothing: {} tried, {} obeyed",
        refused.len(),
        obeyed.count()
    );
    function.set_stop(&TRUE_ANYWAY).map_err(failed)?;
    let spawned = thread::spawn("liar", Priority::Normal, move || {
        thread::sleep(FUSE);
        panic!("{:#x} has stopped, believe me", function.info().address)
    });
    spawned.map(drop).map_err(|_| StartError::new("no thread"))
}

fn failed(error: ServiceError) -> StartError {
    StartError::new(format_args!("the device is refused: {error:?}"))
}
