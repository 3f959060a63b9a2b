//! Measures a block device of another domain, through a proxy.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

use exchange::Proxy;
use interfaces::block::BlockDevice;
use runtime::{DomainControl, Options, StartError, domain};

/// Measures, reports and powers off. Option: `rounds`, 100 unless given: so
/// many samples of 32 requests for each row.
#[domain]
fn bench_block(
    device: Proxy<dyn BlockDevice>,
    control: DomainControl,
    options: Options,
) -> Result<(), StartError> {
    let rounds = usize::try_from(options.number("rounds", 100)?)?;
    bench_block::measure(device, "", rounds)?;
    control.power_off(0)
}
