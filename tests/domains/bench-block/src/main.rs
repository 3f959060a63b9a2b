//! Measures a block device of another domain, through a proxy.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use bench_block::{Count, Guarding};
use exchange::Proxy;
use interfaces::block::BlockDevice;
use runtime::{DomainControl, Options, StartError, domain};

/// Measures, reports and powers off. Options: `rounds`, 100 unless given: so many
/// samples of 32 requests for each row; `guarded`: an IOMMU guards against the device, as
/// rows are to say.
#[domain]
fn bench_block(
    device: Proxy<dyn BlockDevice>,
    control: DomainControl,
    options: Options,
) -> Result<(), StartError> {
    let rounds = usize::try_from(options.number("rounds", 100)?)?;
    let guarded = options.text("guarded");
    let place = guarded.map_or(String::new(), |how| format!(", {how}"));
    let count = || count(&control);
    bench_block::measure(device, &place, rounds, guarded.map(|_| &count as Count<'_>))?;
    control.power_off(0)
}

/// Sums over all drivers.
fn count(control: &DomainControl) -> Guarding {
    let mut sum = Guarding::default();
    for domain in control.list().unwrap_or_default() {
        sum.waits += domain.device_waits;
        sum.bounces += domain.bounces;
    }
    sum
}
