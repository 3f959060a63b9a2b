//! From the plan's words to the capabilities a domain is started with.

use alloc::string::String;
use alloc::sync::Arc;

use exchange::Proxy;
use interfaces::succession::Succession;
use interfaces::supervisor::Supervisor;
use manifest::{Dma, GrantPlan, GrantSource, PciSelector};
use runtime::{DmaMode, DomainControl, GivenGrant};

use crate::succession::Link;
use crate::system::{StartFault, System};

/// The grant for one parameter of the `index`-th domain; `None`: it gets nothing.
pub fn grant<'a>(
    system: &'a Arc<System>,
    index: usize,
    plan: &'a GrantPlan,
) -> Result<Option<GivenGrant<'a>>, StartFault> {
    let control = system.control();
    Ok(Some(match &plan.source {
        GrantSource::Absent => return Ok(None),
        GrantSource::Domain { index } => GivenGrant::proxy(system.provided(*index)?),
        GrantSource::Pci(selector) => pci(control, selector)?,
        GrantSource::Console => control.grant_console(),
        GrantSource::DomainControl => control.grant_control(),
        GrantSource::BootArchive => control.grant_boot_archive(),
        GrantSource::HostFile { name } => control.grant_host_file(host_file(name)?),
        GrantSource::Text(text) => GivenGrant::text(text),
        GrantSource::Succession => {
            let link = Arc::new(Link::new(Arc::clone(system), index));
            let link: Arc<dyn Succession> = link;
            let object = Proxy::try_export(link).map_err(|_| StartFault::NoMemory)?;
            GivenGrant::proxy(object)
        }
        GrantSource::Supervisor => {
            let object: Proxy<dyn Supervisor> =
                system.service().map_err(|_| StartFault::NoMemory)?;
            GivenGrant::proxy(object)
        }
    }))
}

fn pci(control: &DomainControl, selector: &PciSelector) -> Result<GivenGrant<'static>, StartFault> {
    let mut left = selector.index;
    let mut index = 0;
    while let Some(info) = control.pci_function(index) {
        index += 1;
        if !selector.pattern.matches(info.vendor_device, info.class) {
            continue;
        }
        if left == 0 {
            let dma = match selector.dma {
                Dma::Leased => DmaMode::Leased,
                Dma::Strict => DmaMode::Strict,
                Dma::Open => DmaMode::Open,
            };
            return Ok(control.grant_pci_function(info.address, dma));
        }
        left -= 1;
    }
    Err(StartFault::NoDevice)
}

/// Host files are numbered in the order of the machine's `--disk` options:
/// `disk` is the first, `disk1` the second.
fn host_file(name: &str) -> Result<u64, StartFault> {
    let number = name
        .strip_prefix("disk")
        .ok_or_else(|| StartFault::NoHostFile(String::from(name)))?;
    if number.is_empty() {
        return Ok(0);
    }
    number
        .parse()
        .map_err(|_| StartFault::NoHostFile(String::from(name)))
}
