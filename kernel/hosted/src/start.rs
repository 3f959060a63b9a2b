//! Start-up: from the command line to the machine.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::fmt;
use core::mem::MaybeUninit;

use kernel_core::machine::{BootInfo, PhysicalRange, SealedMemory};

use crate::arguments::{ArgumentError, Arguments, MAX_DISKS};
use crate::clock;
use crate::console;
use crate::cpu;
use crate::file::{self, Disk};
use crate::hosted::Hosted;
use crate::memory::Memory;
use crate::signal;
use crate::system_call::Errno;

static MACHINE: MachineCell = MachineCell(UnsafeCell::new(MaybeUninit::uninit()));

unsafe extern "C" {
    /// First byte of the executable, from the linker.
    static __executable_start: u8;
    /// End of its code, from the linker.
    static etext: u8;
}

/// What keeps the machine from starting.
#[derive(Debug)]
pub enum StartError {
    Argument(ArgumentError),
    Archive(&'static CStr, Errno),
    Disk(&'static CStr, Errno),
    Memory(u64, Errno),
    Process(Errno),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(error) => error.fmt(formatter),
            Self::Archive(path, error) => {
                write!(formatter, "cannot read the boot archive {path:?}: {error}")
            }
            Self::Disk(path, Errno(libc::EBUSY)) => {
                write!(formatter, "the disk {path:?} is in use by another system")
            }
            Self::Disk(path, error) => write!(formatter, "cannot open the disk {path:?}: {error}"),
            Self::Memory(bytes, error) => {
                write!(
                    formatter,
                    "cannot get {} MiB of memory: {error}",
                    bytes >> 20
                )
            }
            Self::Process(error) => write!(formatter, "cannot set the process up: {error}"),
        }
    }
}

/// Makes the machine this pthread's, as CPU 0, and says what the kernel core is
/// to know of it. Once in a process.
pub fn prepare(
    arguments: impl Iterator<Item = &'static CStr>,
) -> Result<(&'static Hosted, BootInfo), StartError> {
    let arguments = Arguments::parse(arguments).map_err(StartError::Argument)?;
    let archive = file::read(arguments.archive)
        .map_err(|error| StartError::Archive(arguments.archive, error))?;
    let mut disks = [const { None }; MAX_DISKS];
    for (disk, path) in disks.iter_mut().zip(arguments.disks.iter().flatten()) {
        *disk = Some(Disk::open(path).map_err(|error| StartError::Disk(path, error))?);
    }
    let memory = Memory::new(arguments.memory)
        .map_err(|error| StartError::Memory(arguments.memory, error))?;
    clock::start();
    cpu::configure(arguments.option("no_timer") == Some("1"));
    signal::install().map_err(StartError::Process)?;
    cpu::adopt_pthread(0).map_err(StartError::Process)?;
    console::start().map_err(StartError::Process)?;
    for index in 1..arguments.cpus {
        cpu::spawn(index).map_err(StartError::Process)?;
    }
    let (machine, free_memory) = MACHINE.set(Hosted {
        memory,
        cpus: arguments.cpus,
        disks,
    });
    let info = BootInfo {
        free_memory,
        sealed_memory: SealedMemory::NONE,
        archive,
        options: arguments.options,
        kernel_text: (
            &raw const __executable_start as usize,
            &raw const etext as usize,
        ),
        kernel_image: file::map_read_only(c"/proc/self/exe").ok(),
    };
    Ok((machine, info))
}

/// Place of the one machine and its list of memory.
struct MachineCell(UnsafeCell<MaybeUninit<(Hosted, [PhysicalRange; 1])>>);

// SAFETY: `set` writes it before there is a second CPU; then it only is read.
unsafe impl Sync for MachineCell {}

impl MachineCell {
    /// Puts the machine in its place, once.
    fn set(&'static self, machine: Hosted) -> (&'static Hosted, &'static [PhysicalRange]) {
        let memory = PhysicalRange {
            start: 0,
            end: machine.memory.bytes(),
        };
        // SAFETY: only `prepare` calls this, once, on the only pthread that
        // knows the cell.
        let (machine, memory) = unsafe { (*self.0.get()).write((machine, [memory])) };
        (machine, memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel_core::machine::Machine;
    use std::string::ToString;

    #[test]
    fn says_which_file_cannot_be_used() {
        let error = |arguments: &[&'static CStr]| match prepare(arguments.iter().copied()) {
            Ok(_) => unreachable!("the files are not there"),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            error(&[c"--archive", c"/nowhere/a"]),
            "cannot read the boot archive \"/nowhere/a\": No such file or directory"
        );
        assert_eq!(
            error(&[c"--archive", c"/proc/self/exe", c"--disk", c"/nowhere/d"]),
            "cannot open the disk \"/nowhere/d\": No such file or directory"
        );
        assert_eq!(error(&[]), "--archive FILE is missing");
    }

    #[test]
    fn prepares_what_the_kernel_core_needs() {
        crate::tests::in_a_child(|| {
            let arguments = [c"--archive", c"/proc/self/exe", c"--memory", c"16M"];
            let Ok((machine, info)) = prepare(arguments.into_iter()) else {
                return false;
            };
            let here = prepares_what_the_kernel_core_needs as *const () as usize;
            let mut random = [0_u8; 64];
            machine.random(&mut random);
            machine.cpu_count() == 1
                && info.free_memory[0].end == 16 << 20
                && info.archive.starts_with(b"\x7fELF")
                && (info.kernel_text.0..info.kernel_text.1).contains(&here)
                && info.kernel_image.is_some_and(|image| image == info.archive)
                && random.iter().any(|byte| *byte != 0)
        });
    }
}
