//! Keeps the kernel busy with one service call.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;

use exchange::RRef;
use runtime::thread::{self, Priority};
use runtime::{DomainControl, Options, StartError, domain, log};

/// More than any machine fills in 100 ms.
const BYTES: usize = 128 << 20;

/// Bytes of the largest image.
const IMAGE_BYTES: usize = 16 << 20;

/// The end of a signed file.
const SIGNED: &[u8] = b"RLSIGN03";

/// Objects that a list of domains looks at.
const OBJECTS: u64 = 400_000;

/// Makes calls that take long, one after the other. Option `way`: "random", "image" or
/// "lists".
#[domain]
fn hog(control: DomainControl, options: Options) -> Result<(), StartError> {
    let way: fn(&DomainControl) = match options.required("way")? {
        "random" => ask_for_randomness,
        "image" => have_images_checked,
        "lists" => list_everything,
        other => return Err(StartError::new(format_args!("{other}: no way to be a hog"))),
    };
    let spawned = thread::spawn("hog", Priority::Normal, move || way(&control));
    spawned.map(drop).map_err(|_| StartError::new("no thread"))
}

fn ask_for_randomness(_: &DomainControl) {
    let mut bytes = vec![0; BYTES];
    log::info!("asking for {} bytes at once", bytes.len());
    while runtime::random(&mut bytes).is_ok() {}
}

/// Images that nobody signed, but say that they are, so that all is looked at.
fn have_images_checked(control: &DomainControl) {
    let mut image = vec![0; IMAGE_BYTES];
    let begin = IMAGE_BYTES - SIGNED.len();
    image[begin..].copy_from_slice(SIGNED);
    match control.open_image(&image) {
        Ok(_) => log::error!("it is an image"),
        Err(error) => log::info!("{error}"),
    }
    while control.open_image(&image).is_err() {}
}

fn list_everything(control: &DomainControl) {
    let objects: Vec<RRef<u64>> = (0..OBJECTS).map(RRef::new).collect();
    log::info!("listing all of {} objects", objects.len());
    while control.list().is_ok() && control.edges().is_ok() {}
}
