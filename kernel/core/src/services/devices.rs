//! Services for drivers: functions, interrupts, DMA, files of the host.

use core::ops::Range;

use abi::death::InjectedFault;
use abi::device::{PciInfo, StopRecipe, loan};
use abi::grant::GrantKind;
use abi::status::{Answer, ServiceError};

use super::{answer, buffer, bytes, done, in_pieces, service};
use crate::iommu::table::Access;
use crate::machine::HostFileRequest;
use crate::{device, domain, inject, iommu, machine};

pub(super) unsafe fn pci_list(index: usize, info: *mut PciInfo) -> Answer {
    done(service(|| {
        let found = crate::pci::list(index).ok_or(ServiceError::NotFound)?;
        // SAFETY: the caller's field.
        unsafe { info.write(found) };
        Ok(())
    }))
}

pub(super) fn pci_claim(address: u32) -> Answer {
    answer(service(|| {
        let driver = domain::current();
        let mode = driver.rights.dma_mode(address)?;
        device::claim(address, driver.id())?;
        let (mode, number) = iommu::attach(driver, address, mode)?;
        Ok(mode as u64 | u64::from(number) << 8)
    }))
}

pub(super) fn pci_read(address: u32, register: u32) -> Answer {
    answer(service(|| {
        crate::pci::read_register(address, domain::current().id(), register).map(u64::from)
    }))
}

pub(super) fn pci_map_bar(address: u32, bar: u32) -> *mut u8 {
    service(|| device::map_bar(address, domain::current().id(), bar))
        .unwrap_or(core::ptr::null_mut())
}

pub(super) unsafe fn pci_set_stop(address: u32, recipe: *const StopRecipe) -> Answer {
    // SAFETY: the caller passes its recipe.
    let recipe = unsafe { *recipe };
    done(service(|| {
        device::set_stop(address, domain::current().id(), recipe)
    }))
}

pub(super) fn interrupt_bind(address: u32, index: u32) -> Answer {
    answer(service(|| {
        device::bind_interrupt(address, domain::current().id(), index).map(|vector| vector as u64)
    }))
}

pub(super) fn interrupt_wait(handle: u64, seen: u64, deadline_ns: u64) -> Answer {
    answer(service(|| {
        device::wait_interrupt(handle, domain::current().id(), seen, deadline_ns)
    }))
}

pub(super) fn physical_address(address: *const u8) -> u64 {
    service(|| iommu::physical_address(domain::current(), address as usize).unwrap_or(0))
}

pub(super) fn dma_open(start: *const u8, bytes: usize, how: u32) -> Answer {
    answer(service(|| {
        let access = if how & loan::WRITTEN == 0 {
            Access::Read
        } else {
            Access::ReadWrite
        };
        let object = (how & loan::OBJECT != 0).then_some(start);
        iommu::open(domain::current(), object, bytes, access)
    }))
}

pub(super) fn dma_close(start: *const u8, bytes: usize) {
    service(|| iommu::close(domain::current(), start as usize, bytes));
}

pub(super) fn dma_forget() -> Answer {
    done(service(|| iommu::forget_closed(domain::current())))
}

pub(super) fn dma_allocate(pages: usize, inbound: u32) -> *mut u8 {
    service(|| device::allocate_dma(domain::current(), pages, inbound != 0))
        .unwrap_or(core::ptr::null_mut())
}

pub(super) unsafe fn dma_free(start: *mut u8, _pages: usize) {
    service(|| device::free_dma(domain::current().id(), start));
}

/// Uses a host file that the current domain was granted. Inside of a service.
fn host_file(file: u64, request: HostFileRequest<'_>) -> Result<u64, ServiceError> {
    let driver = domain::current();
    driver.rights.check_object(GrantKind::HostFile, file)?;
    machine::get()
        .host_file(file, request)
        .ok_or(ServiceError::Io)
}

/// Bytes that the host transfers at once.
const TRANSFER_PIECE: usize = 256 << 10;

/// Reads from or writes to a host file at `offset`, in pieces.
fn transfer(
    offset: u64,
    length: usize,
    mut part: impl FnMut(u64, Range<usize>) -> Result<u64, ServiceError>,
) -> Answer {
    answer(in_pieces(length, TRANSFER_PIECE, |piece| {
        let at = offset.checked_add(piece.start as u64);
        let count = part(at.ok_or(ServiceError::Io)?, piece)?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }))
}

/// How much of a transfer of `length` bytes is to be done: all, unless a fault
/// was injected.
fn transferred(length: usize) -> usize {
    let is_cut = inject::take_device_fault(domain::current().id(), InjectedFault::WrongCompletion);
    if is_cut { length.div_ceil(2) } else { length }
}

pub(super) fn host_file_size(file: u64) -> Answer {
    answer(service(|| host_file(file, HostFileRequest::Size)))
}

pub(super) unsafe fn host_file_read(
    file: u64,
    offset: u64,
    start: *mut u8,
    length: usize,
) -> Answer {
    let length = transferred(length);
    // SAFETY: the caller's buffer.
    let buffer = unsafe { buffer(start, length) };
    transfer(offset, length, |at, piece| {
        host_file(file, HostFileRequest::Read(at, &mut buffer[piece]))
    })
}

pub(super) unsafe fn host_file_write(
    file: u64,
    offset: u64,
    start: *const u8,
    length: usize,
) -> Answer {
    let length = transferred(length);
    // SAFETY: the caller's bytes.
    let bytes = unsafe { bytes(start, length) };
    transfer(offset, length, |at, piece| {
        host_file(file, HostFileRequest::Write(at, &bytes[piece]))
    })
}

pub(super) fn host_file_sync(file: u64) -> Answer {
    answer(service(|| host_file(file, HostFileRequest::Sync)))
}
