//! How long a domain takes to be loaded, started and ended.

use alloc::format;

use interfaces::supervisor::SupervisorError;
use runtime::time::Instant;
use runtime::{Start, StartOutcome};

use crate::system::System;

/// Starts the image of that name, which must exit at once, as often as there
/// are places; each gets the time it took in nanoseconds.
pub fn time_starts(
    system: &System,
    image: &str,
    durations_ns: &mut [u64],
) -> Result<(), SupervisorError> {
    let path = format!("images/{image}");
    let file = system
        .archive()
        .file(&path)
        .ok_or(SupervisorError::NotFound)?;
    let control = system.control();
    let image = control
        .open_image(file)
        .map_err(|_| SupervisorError::BadImage)?;
    for place in durations_ns {
        let before = Instant::now();
        let started = control
            .start(&image, Start::new("timed"))
            .map_err(|_| SupervisorError::Failed)?;
        if !matches!(started.outcome, StartOutcome::Exited(_)) {
            return Err(SupervisorError::Failed);
        }
        // Dead and reclaimed: that is the end.
        control
            .wait_death(Some(started.id), Instant::NEVER)
            .map_err(|_| SupervisorError::Failed)?;
        *place = u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX);
    }
    Ok(())
}
