//! The machine as the kernel core sees it.

use core::ops::Range;

use abi::device::PciAddress;
use abi::thread::ThreadControl;
use kernel_core::machine::{HostFileRequest, IommuError, Machine, MapError, Permission};

use crate::arguments::MAX_DISKS;
use crate::clock;
use crate::console;
use crate::cpu;
use crate::file::Disk;
use crate::memory::Memory;
use crate::signal;
use crate::system_call::{Errno, exit, system_call, write_all};

const STANDARD_OUTPUT: i32 = 1;
const STANDARD_ERROR: i32 = 2;

/// A Linux process as a machine.
#[derive(Debug)]
pub struct Hosted {
    /// RAM and mappings.
    pub memory: Memory,
    /// CPUs: pthreads, of which all but the first wait to be started.
    pub cpus: usize,
    /// Host files.
    pub disks: [Option<Disk>; MAX_DISKS],
}

impl Machine for Hosted {
    fn cpu_count(&self) -> usize {
        self.cpus
    }

    fn start_cpu(&self, cpu: usize, idle: *const ThreadControl) -> bool {
        cpu::start(cpu, idle)
    }

    /// Whoever is waited for may need this pthread's processor.
    fn relax(&self) {
        // SAFETY: it takes no arguments and cannot fail.
        let _ = unsafe { system_call(libc::SYS_sched_yield, [0; 6]) };
    }

    fn direct_map(&self) -> usize {
        self.memory.direct_map()
    }

    fn seal(&self, frame: u64, pages: usize, is_sealed: bool) {
        self.memory.seal(frame, pages, is_sealed);
    }

    unsafe fn write_sealed(&self, at: u64, bytes: &[u8]) {
        self.memory.write_sealed(at, bytes);
    }

    fn page_table(&self) -> Option<usize> {
        None
    }

    fn mapping_area(&self) -> Range<usize> {
        self.memory.mapping_area()
    }

    fn map(
        &self,
        at: usize,
        frame: u64,
        pages: usize,
        permission: Permission,
    ) -> Result<(), MapError> {
        self.memory.map(at, frame, pages, permission)
    }

    fn unmap(&self, at: usize, pages: usize) {
        self.memory.unmap(at, pages);
    }

    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    fn wall_clock_ns(&self) -> u64 {
        clock::wall_clock_ns()
    }

    fn set_timer(&self, deadline_ns: u64) {
        if let Some(cpu) = cpu::current() {
            cpu.set_timer(deadline_ns);
        }
    }

    fn wake_cpu(&self, cpu: usize) {
        cpu::send(cpu, signal::WAKE);
    }

    fn idle(&self, work_pending: &dyn Fn() -> bool) {
        if let Some(cpu) = cpu::current() {
            cpu.idle(work_pending);
        }
    }

    unsafe fn load_thread(&self, thread: *const ThreadControl) {
        if let Some(cpu) = cpu::current() {
            // SAFETY: the caller vouches for the block; it runs on this CPU.
            unsafe { cpu.load_thread(thread) };
        }
    }

    fn console_write(&self, text: &[u8]) {
        write_all(STANDARD_OUTPUT, text);
    }

    fn log_write(&self, text: &[u8]) {
        write_all(STANDARD_ERROR, text);
    }

    fn console_read(&self, buffer: &mut [u8]) -> Option<usize> {
        console::read(buffer)
    }

    fn random(&self, buffer: &mut [u8]) {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            let arguments = [rest.as_mut_ptr() as usize, rest.len(), 0, 0, 0, 0];
            // SAFETY: Linux writes within the rest of the buffer.
            match unsafe { system_call(libc::SYS_getrandom, arguments) } {
                Ok(count) => filled += count,
                Err(Errno::INTERRUPTED) => {}
                // Every Linux we run on has it; no randomness is no system.
                Err(_) => self.power_off(125),
            }
        }
    }

    fn power_off(&self, status: i32) -> ! {
        exit(status)
    }

    fn pci_read(&self, _: PciAddress, _: u16) -> u32 {
        u32::MAX
    }

    fn pci_write(&self, _: PciAddress, _: u16, _: u32) {}

    fn pci_last_bus(&self) -> Option<u8> {
        None
    }

    fn device_vectors(&self) -> usize {
        0
    }

    fn aim_interrupt(&self, _: PciAddress, _: usize, _: usize) -> Result<(u64, u32), IommuError> {
        Err(IommuError::Unsupported)
    }

    fn release_interrupt(&self, _: usize) -> Result<(), IommuError> {
        Ok(())
    }

    fn route_line(&self, _: u8, _: usize) -> bool {
        false
    }

    fn mask_line(&self, _: u8, _: bool) {}

    fn host_file(&self, file: u64, request: HostFileRequest<'_>) -> Option<u64> {
        let disk = self.disks.get(usize::try_from(file).ok()?)?.as_ref()?;
        disk.operate(request)
    }
}
