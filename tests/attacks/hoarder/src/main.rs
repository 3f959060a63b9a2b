//! Makes the kernel keep images for it, without end.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use runtime::{BootArchive, DomainControl, StartError, domain, log};
use tar_no_std::TarArchiveRef;

/// More than fit its quota.
const MANY: usize = 1000;

/// Opens the largest image there is, again and again, until the kernel refuses.
#[domain]
fn hoarder(control: DomainControl, archive: BootArchive) -> Result<(), StartError> {
    let bytes = archive
        .bytes()
        .map_err(|error| StartError::new(format_args!("no boot archive: {error:?}")))?;
    let tar = TarArchiveRef::new(bytes)
        .map_err(|_| StartError::new("the boot archive is no tar file"))?;
    let images = tar.entries().filter(|entry| {
        let name = entry.filename();
        name.as_str().is_ok_and(|name| name.starts_with("images/"))
    });
    let largest = images
        .max_by_key(|image| image.data().len())
        .ok_or_else(|| StartError::new("the boot archive has no image"))?;
    for round in 1..=2 {
        let mut kept = Vec::new();
        let refusal = (0..MANY).find_map(|_| {
            let opened = control.open_image(largest.data());
            opened.map(|image| kept.push(image)).err()
        });
        let bytes = kept.len() * largest.data().len();
        let within = bytes > 1 << 20 && bytes < 64 << 20;
        let why = refusal.map(|refusal| refusal.message);
        log::info!("round {round}: images within its quota: {within}, then {why:?}");
    }
    Ok(())
}
