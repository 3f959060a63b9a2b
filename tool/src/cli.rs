//! The command line, exactly as scripts rely on it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use campaign::Cause;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// RedLeaf: an operating system of signed, safe-Rust domains.
#[derive(Parser, Debug)]
#[command(
    name = "redleaf",
    bin_name = "./redleaf",
    version,
    arg_required_else_help = true,
    after_help = EXAMPLES
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ./redleaf run                              a shell in QEMU; Ctrl-A X leaves
  ./redleaf run --machine hosted             the same system as a Linux process
  ./redleaf run --exec 'ls -l /bin; uptime'  run commands, power off
  ./redleaf test --quick                     host tests and the quick scenarios
  ./redleaf campaign --machine hosted        200 faults on purpose, counted
  ./redleaf check                            lints, layers, vetted crates, style";

/// Answers a command line that is not carried out: prints the help that was
/// asked for, or says in one line what was wrong. The exit status.
pub fn refuse(error: &clap::Error) -> u8 {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Who closed our output does not want to read it.
        let _ = error.print();
        return u8::from(error.use_stderr()) * 2;
    }
    eprintln!("redleaf: {}", in_one_line(&error.render().to_string()));
    2
}

/// What clap says before it explains usage, in one line.
fn in_one_line(text: &str) -> String {
    let said: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect();
    let said = said.join(" ");
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    format!("{said}; --help says what is possible")
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Build a system and run it.
    Run(RunOptions),
    /// Run host tests and whole-system scenarios.
    Test(TestOptions),
    /// Check the tree against the rules of the house.
    Check(CheckOptions),
    /// Measure calls, domains, disks and the boot.
    Bench(BenchOptions),
    /// Make domains fail, one after the other, under load, and count.
    Campaign(CampaignOptions),
    /// Build a system without running it.
    Build(BuildOptions),
    /// Make a driver, a service or a program that builds, runs and has a test.
    New(NewOptions),
}

/// What a system runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// x86-64 hardware, emulated by QEMU.
    Pc,
    /// A Linux process.
    Hosted,
}

impl Machine {
    /// Its name on the command line and in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pc => "pc",
            Self::Hosted => "hosted",
        }
    }
}

/// A system and the machine it runs on.
#[derive(Args, Clone, Debug)]
pub struct Setup {
    /// System to run: a file of systems/, without .toml.
    #[arg(long, value_name = "NAME", default_value = "rv6")]
    pub system: String,
    /// What to run it on.
    #[arg(long, value_enum, default_value = "pc")]
    pub machine: Machine,
    /// Number of processors.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub cpus: u32,
    /// Memory of the machine, such as 256M or 2GiB.
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = parse_memory)]
    pub memory: u64,
    /// Guard memory by protection keys, too; the machine pc only.
    #[arg(long)]
    pub harden: bool,
    /// Give the machine pc an IOMMU (VT-d): devices reach only what their drivers own
    /// or were lent.
    #[arg(long)]
    pub iommu: bool,
}

/// Why a machine cannot be as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Linux keeps what these guard.
    #[error("{0}: expected --machine pc; a Linux process has no such thing of its own")]
    OnPcOnly(&'static str),
}

impl Setup {
    /// Whether there is such a machine.
    ///
    /// # Errors
    /// [`SetupError`] says what it does not have.
    pub const fn check(&self) -> Result<(), SetupError> {
        match (self.machine, self.harden, self.iommu) {
            (Machine::Hosted, true, _) => Err(SetupError::OnPcOnly("--harden")),
            (Machine::Hosted, _, true) => Err(SetupError::OnPcOnly("--iommu")),
            _ => Ok(()),
        }
    }
}

impl Default for Setup {
    /// As the command line without options has it.
    fn default() -> Self {
        Self {
            system: "rv6".to_owned(),
            machine: Machine::Pc,
            cpus: 1,
            memory: 512 << 20,
            harden: false,
            iommu: false,
        }
    }
}

/// Options of `run`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  ./redleaf run --disk my.img          work on an ext2 image of your own
  ./redleaf run --exec 'sha256sum /bin/sh' --timeout 60
  ./redleaf run --gdb                  wait for gdb on port 1234

With --exec, standard output carries only what the commands print, the log goes
to standard error, and the exit status is the last command's: 124 on time-out,
125 if the system itself failed.")]
pub struct RunOptions {
    /// What runs, and on what.
    #[command(flatten)]
    pub setup: Setup,
    /// An ext2 image to work on; without it a fresh one is made.
    #[arg(long, value_name = "FILE")]
    pub disk: Option<PathBuf>,
    /// Size of the fresh disk, such as 64M or 1GiB.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size, conflicts_with = "disk")]
    pub disk_size: u64,
    /// Commands for the shell; then the system powers off.
    #[arg(long, value_name = "COMMANDS")]
    pub exec: Option<String>,
    /// End the system after this many seconds with exit status 124.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,
    /// Stop at the first instruction and wait for gdb on port 1234.
    #[arg(long)]
    pub gdb: bool,
}

/// Options of `test`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  ./redleaf test                  host tests, command lines, both machines
  ./redleaf test --quick          without the slow scenarios
  ./redleaf test --long           the long ones as well, as before a release
  ./redleaf test --no-host wall   the attacks alone
  ./redleaf test --jobs 1         one system at a time
  ./redleaf test 'crash nvme'     what has these words in its name

The last line is: N passed, N failed")]
pub struct TestOptions {
    /// Leave out slow scenarios.
    #[arg(long, conflicts_with = "long")]
    pub quick: bool,
    /// Run the long tests, too; they take hours.
    #[arg(long)]
    pub long: bool,
    /// Leave out cargo's tests, which have to be compiled first.
    #[arg(long)]
    pub no_host: bool,
    /// Systems run side by side; otherwise as many as there are processors.
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Only tests whose name contains this.
    #[arg(value_name = "FILTER")]
    pub filter: Option<String>,
}

/// What `new` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NewKind {
    /// A block device in domains/drivers, with a system that checks it.
    Driver,
    /// A service with an interface of its own, with a system it runs in.
    Service,
    /// A Unix program in programs, with a scenario.
    Program,
}

/// Options of `new`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  ./redleaf new driver my-disk       domains/drivers/my-disk, systems/my-disk.toml
  ./redleaf new service counter      an interface, a domain and a system
  ./redleaf new program number       programs/src/bin/number.rs and a scenario

What is made works and is tested; it says what to do next.")]
pub struct NewOptions {
    /// What to make.
    #[arg(value_enum)]
    pub kind: NewKind,
    /// Its name: lower-case letters, digits and dashes.
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Options of `check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  ./redleaf check                  everything, quick rules first
  ./redleaf check tidy layers      only these two
  ./redleaf check clippy docs      what the compiler has to say

Rules: tidy (sources), text (other files), readme (folder map), roots
(forbid(unsafe_code)), layers (who imports whom), vetted (registry crates), surface
(what safe code reaches in trusted/), holes (of the compiler), fmt, clippy, docs.
Each finding is one line, FILE:LINE: what is wrong [rule]; the last line is:
N passed, N failed")]
pub struct CheckOptions {
    /// Only these rules; without any, all.
    #[arg(value_name = "RULE")]
    pub rules: Vec<String>,
}

/// Options of `bench`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  ./redleaf bench                              everything, on both machines;
                                               tables and plots in target/bench
  ./redleaf bench crossing --machine hosted    crossings in a Linux process
  ./redleaf bench boot --json boot.json        the rows as JSON, too
  ./redleaf bench scaling --cpus 4             crossings on 1, 2 and 4 processors

docs/benchmarks.md says how each row is measured.")]
pub struct BenchOptions {
    /// What to measure; without it, everything.
    #[arg(value_enum, value_name = "NAME")]
    pub name: Option<BenchName>,
    /// Only on this machine.
    #[arg(long, value_enum)]
    pub machine: Option<Machine>,
    /// Most processors in `scaling`; as many as the host has if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub cpus: Option<u32>,
    /// With `nvme` on pc: the drive behind an IOMMU, beside the same without.
    #[arg(long)]
    pub iommu: bool,
    /// Write the rows to this file, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchName {
    /// Calls into another domain, beside plain calls.
    Crossing,
    /// Start, end and memory of a minimal domain.
    Domain,
    /// A hash table in two styles of Rust, beside C.
    Hash,
    /// Crossings and exchange objects on one to all processors.
    Scaling,
    /// 4 KiB reads and writes on a disk, beside Linux on the same QEMU.
    Nvme,
    /// A reader and a writer while their driver is killed each second.
    Recovery,
    /// From the launch to the shell's prompt.
    Boot,
    /// Bytes of images, lines of the trusted base.
    Size,
}

impl BenchName {
    /// All of them, in the order they are run.
    pub const ALL: [Self; 8] = [
        Self::Crossing,
        Self::Domain,
        Self::Hash,
        Self::Scaling,
        Self::Nvme,
        Self::Recovery,
        Self::Boot,
        Self::Size,
    ];

    /// Its name on the command line and in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crossing => "crossing",
            Self::Domain => "domain",
            Self::Hash => "hash",
            Self::Scaling => "scaling",
            Self::Nvme => "nvme",
            Self::Recovery => "recovery",
            Self::Boot => "boot",
            Self::Size => "size",
        }
    }
}

/// Options of `campaign`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  ./redleaf campaign --machine hosted              200 faults in half a minute
  ./redleaf campaign --faults 2000 --svg out.svg   a long one in QEMU, with a plot
  ./redleaf campaign --target ext2fs --cause panic,loop

Files are written, read back and verified, programs started and talked to through
pipes, while one domain after the other fails at whatever instruction chance has
it. The same seed gives the same faults. The exit status is 1 if a fault was not
contained, an acknowledged byte was lost, something was not reclaimed, or clients
saw more than one in a hundred deaths of domains that come back.
docs/recovery.md explains the table.")]
pub struct CampaignOptions {
    /// What runs, and on what.
    #[command(flatten)]
    pub setup: Setup,
    /// How many faults.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub faults: u32,
    /// Chooses them.
    #[arg(long, value_name = "X", default_value_t = 1)]
    pub seed: u64,
    /// Only these: panic, null, stack, loop, illegal, write, memory, completion,
    /// interrupt, kill.
    #[arg(long, value_name = "CAUSE", value_delimiter = ',', value_parser = parse_cause)]
    pub cause: Vec<Cause>,
    /// Only in these domains.
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',')]
    pub target: Vec<String>,
    /// Write the counts to this file, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw recovery times into this file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

impl Default for CampaignOptions {
    /// As the command line without options has it.
    fn default() -> Self {
        Self {
            setup: Setup::default(),
            faults: 200,
            seed: 1,
            cause: Vec::new(),
            target: Vec::new(),
            json: None,
            svg: None,
        }
    }
}

/// Reads the name of a cause.
fn parse_cause(text: &str) -> Result<Cause, String> {
    Cause::from_name(text).ok_or_else(|| {
        let names = Cause::ALL.map(Cause::name).join(", ");
        format!("expected one of {names}")
    })
}

/// Options of `build`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  ./redleaf build                    kernels, domains and programs of rv6
  ./redleaf build --iso              also target/iso/rv6.iso, which GRUB boots")]
pub struct BuildOptions {
    /// System to build: a file of systems/, without .toml.
    #[arg(long, value_name = "NAME", default_value = "rv6")]
    pub system: String,
    /// Make a CD that GRUB boots, and a disk, in target/iso.
    #[arg(long)]
    pub iso: bool,
}

/// Reads a size with a unit: `64K`, `16MiB`, `2g`; without one, bytes.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(SizeError::Unit),
    };
    let number: u64 = number.parse().map_err(|_| SizeError::Number)?;
    number
        .checked_mul(1 << shift)
        .filter(|size| *size > 0)
        .ok_or(SizeError::Range)
}

/// Reads the size of a machine's memory, at least 32 MiB in whole MiB.
fn parse_memory(text: &str) -> Result<u64, SizeError> {
    let size = parse_size(text)?;
    if size < 32 << 20 || size % (1 << 20) != 0 {
        return Err(SizeError::Memory);
    }
    Ok(size)
}

/// Why a text is not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// It does not start with a number.
    #[error("expected a number and K, M or G, such as 256M")]
    Number,
    /// The unit is unknown.
    #[error("unknown unit; expected K, M or G, such as 256M")]
    Unit,
    /// Zero, or more than 64 bits hold.
    #[error("expected a size between 1 byte and 16 EiB")]
    Range,
    /// Too little memory, or not whole MiB.
    #[error("expected at least 32M, in whole MiB")]
    Memory,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(parse_size("512"), Ok(512));
        assert_eq!(parse_size("64k"), Ok(64 << 10));
        assert_eq!(parse_size("256MiB"), Ok(256 << 20));
        assert_eq!(parse_size("2G"), Ok(2 << 30));
        assert_eq!(parse_size("0"), Err(SizeError::Range));
        assert_eq!(parse_size("99999999999G"), Err(SizeError::Range));
        assert_eq!(parse_size("G"), Err(SizeError::Number));
        assert_eq!(parse_size("1T"), Err(SizeError::Unit));
        assert_eq!(parse_memory("8M"), Err(SizeError::Memory));
    }
}
