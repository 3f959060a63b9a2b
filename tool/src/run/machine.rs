//! The command line of a machine: QEMU, or the kernel as a Linux process.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::Machine;
use crate::error::ToolError;

/// What a machine is booted with.
#[derive(Clone, Debug)]
pub struct Boot {
    /// What runs.
    pub machine: Machine,
    /// The kernel.
    pub kernel: PathBuf,
    /// The boot archive.
    pub archive: PathBuf,
    /// The disk image.
    pub disk: PathBuf,
    /// Number of processors.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Whether the kernel guards memory by protection keys.
    pub harden: bool,
    /// Whether a pc has an IOMMU.
    pub has_iommu: bool,
    /// Whether to stop at the first instruction for gdb.
    pub waits_for_gdb: bool,
    /// Arguments that make QEMU another machine than the usual one.
    pub qemu_arguments: Vec<String>,
    /// The word that the kernel puts in front of its own lines of the log.
    pub mark: Option<String>,
}

/// A word that nobody guesses.
///
/// # Errors
/// [`ToolError::File`] without the host's random numbers.
pub fn new_mark() -> Result<String, ToolError> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(source)
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(ToolError::file("read", source))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Boot {
    /// The command that runs the machine, without its streams.
    pub fn command(&self) -> Command {
        let mut command = match self.machine {
            Machine::Pc => self.qemu(),
            Machine::Hosted => self.hosted(),
        };
        // The machine ends with the tool, even if the tool is killed.
        if let Some(setpriv) = find_program("setpriv") {
            let mut wrapped = Command::new(setpriv);
            wrapped.args(["--pdeathsig", "KILL", "--"]);
            wrapped.arg(command.get_program()).args(command.get_args());
            command = wrapped;
        }
        command
    }

    fn qemu(&self) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-machine", self.chipset()])
            .args(["-cpu", "max", "-accel", accelerator()])
            .args(["-smp", &self.cpus.to_string()])
            .args(["-m", &format!("{}M", self.memory_bytes >> 20)])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.archive)
            .args([
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-no-reboot",
            ])
            // Before the devices that it guards.
            .args(self.iommu())
            .args(["-device", "isa-debug-exit,iobase=0x501,iosize=2"])
            // First serial line: the console. Second: the kernel's log.
            .args([
                "-chardev",
                "stdio,id=console,signal=off",
                "-serial",
                "chardev:console",
            ])
            .args([
                "-chardev",
                "file,id=log,path=/dev/stderr,append=on",
                "-serial",
                "chardev:log",
            ])
            .arg("-drive")
            .arg(format!(
                "file={},format=raw,if=none,id=disk0,cache=writeback",
                escape_commas(&self.disk.display().to_string())
            ))
            .args(["-device", "nvme,serial=redleaf0,drive=disk0"]);
        if self.waits_for_gdb {
            command.args(["-gdb", "tcp:127.0.0.1:1234", "-S"]);
        }
        command.args(self.machine_arguments());
        command
    }

    /// The machine's further arguments. Of several command lines for the kernel QEMU
    /// takes the last, so options become part of that.
    fn machine_arguments(&self) -> Vec<String> {
        let mut arguments = self.qemu_arguments.clone();
        let harden = self.harden.then(|| "harden".to_owned());
        for option in harden.into_iter().chain(self.mark_option()) {
            match arguments.iter().rposition(|argument| argument == "-append") {
                Some(place) if place + 1 < arguments.len() => {
                    arguments[place + 1].push_str(&format!(" {option}"));
                }
                _ => arguments.extend(["-append".to_owned(), option]),
            }
        }
        arguments
    }

    fn mark_option(&self) -> Option<String> {
        self.mark.as_ref().map(|mark| format!("log_mark={mark}"))
    }

    /// With an IOMMU, interrupts must come through QEMU, which remaps them.
    const fn chipset(&self) -> &'static str {
        if self.has_iommu {
            "q35,kernel-irqchip=split"
        } else {
            "q35"
        }
    }

    const fn iommu(&self) -> &'static [&'static str] {
        if self.has_iommu {
            &["-device", "intel-iommu,intremap=on,caching-mode=off"]
        } else {
            &[]
        }
    }

    fn hosted(&self) -> Command {
        let mut command = if self.waits_for_gdb {
            let mut command = Command::new("gdbserver");
            command.args(["--once", "127.0.0.1:1234"]).arg(&self.kernel);
            command
        } else {
            Command::new(&self.kernel)
        };
        command.arg("--archive").arg(&self.archive);
        command.arg("--disk").arg(&self.disk);
        command.args(["--cpus", &self.cpus.to_string()]);
        command.args(["--memory", &format!("{}M", self.memory_bytes >> 20)]);
        if let Some(option) = self.mark_option() {
            command.args(["--options", &option]);
        }
        command
    }
}

/// KVM where the processor really has it, else emulation.
///
/// There are hosts whose `/dev/kvm` opens although the processor shows no
/// virtualisation; they interpret ring 0 and stop at its first SSE
/// instruction. So both are asked.
pub fn accelerator() -> &'static str {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has_extension = flags
        .lines()
        .filter(|line| line.starts_with("flags"))
        .flat_map(str::split_whitespace)
        .any(|flag| flag == "vmx" || flag == "svm");
    let opens = || {
        File::options()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_ok()
    };
    if has_extension && opens() {
        "kvm"
    } else {
        "tcg"
    }
}

/// QEMU separates options by commas; a doubled one stands for itself.
fn escape_commas(text: &str) -> String {
    text.replace(',', ",,")
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(qemu: &[&str], harden: bool, mark: Option<&str>) -> Vec<String> {
        let boot = Boot {
            machine: Machine::Pc,
            kernel: PathBuf::new(),
            archive: PathBuf::new(),
            disk: PathBuf::new(),
            cpus: 1,
            memory_bytes: 0,
            harden,
            has_iommu: false,
            waits_for_gdb: false,
            qemu_arguments: qemu.iter().map(|text| (*text).to_owned()).collect(),
            mark: mark.map(str::to_owned),
        };
        boot.machine_arguments()
    }

    #[test]
    fn options_of_the_kernel_are_put_together() {
        let plain = arguments(&["-m", "1G"], false, None);
        assert_eq!(plain, ["-m", "1G"]);
        let marked = arguments(&[], false, Some("x"));
        assert_eq!(marked, ["-append", "log_mark=x"]);
        let both = arguments(&[], true, Some("x"));
        assert_eq!(both, ["-append", "harden log_mark=x"]);
        let merged = arguments(&["-append", "a b", "-m", "1G"], true, Some("x"));
        assert_eq!(merged, ["-append", "a b harden log_mark=x", "-m", "1G"]);
    }
}
