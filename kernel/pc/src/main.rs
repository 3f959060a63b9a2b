//! The kernel on bare x86-64: boots, drives the platform, starts the core.
//!
//! Implements [`kernel_core::machine::Machine`]. Entry is `boot::entry`, then
//! [`start`] sets up one part after the other: the memory map and ACPI
//! ([`boot`], [`acpi`]), page tables ([`paging`]), interrupts ([`descriptors`],
//! [`traps`], [`apic`], [`io_apic`]), time ([`clock`], [`rtc`]). What is left is
//! called by the core through [`machine`]. No devices but these, the serial
//! ports and PCI configuration space are known here.

#![cfg_attr(redleaf_image, no_std, no_main)]
#![cfg_attr(
    not(redleaf_image),
    expect(dead_code, reason = "on the host only the tests use this crate")
)]

mod acpi;
mod apic;
mod boot;
mod bytes;
mod clock;
mod cpu;
mod descriptors;
mod io_apic;
mod iommu;
mod machine;
mod memory;
mod paging;
mod pci;
mod port;
mod power;
mod random;
mod rtc;
mod secondary;
mod serial;
mod shootdown;
mod start;
mod traps;

// Linked for its symbols.
#[cfg(redleaf_image)]
use memory_functions as _;

#[cfg(redleaf_image)]
#[global_allocator]
static HEAP: kernel_core::heap::KernelHeap = kernel_core::heap::KernelHeap;

#[cfg(redleaf_image)]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    if machine::get().is_some() {
        kernel_core::panic::report(info)
    } else {
        start::fail(format_args!("{info}"))
    }
}

#[cfg(not(redleaf_image))]
fn main() {
    eprintln!("kernel-pc runs on bare hardware only; `./redleaf build` makes an image of it");
    std::process::exit(1);
}
