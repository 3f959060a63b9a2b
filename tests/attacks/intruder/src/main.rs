//! Uses every kernel service without having been granted the right.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use runtime::{DomainControl, ServiceError, StartError, domain, log};

/// Handles that others may have given out by now.
const HANDLES: core::ops::Range<u64> = 0..256;

/// Reports how many services refused it, by name those that did not.
#[domain]
fn intruder(control: Option<DomainControl>) -> Result<(), StartError> {
    match control {
        None => use_everything(),
        Some(_) => use_what_others_have(),
    }
    Ok(())
}

/// Without any right.
fn use_everything() {
    let attempts = breach::try_everything();
    let obeyed: Vec<_> = attempts
        .iter()
        .filter(|attempt| !attempt.is_refused)
        .map(|attempt| attempt.service)
        .collect();
    log::info!(
        "{} services tried without a right, obeyed: {obeyed:?}",
        attempts.len()
    );
}

/// With the right to control domains, and handles that are not its own.
fn use_what_others_have() {
    let supervisor = breach::kill_supervisor();
    let is_unknown = |outcome| outcome == Err(ServiceError::NotFound);
    let read = HANDLES.filter(|image| !is_unknown(breach::read_note(*image)));
    let closed = HANDLES.filter(|image| !is_unknown(breach::close_image(*image)));
    log::info!(
        "others' images read: {}, closed: {}; supervisor: {supervisor:?}",
        read.count(),
        closed.count()
    );
}
