//! Whole-system scenarios: a table of commands and what they must show.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use regex::Regex;
use serde::Deserialize;

use super::forge::{Forgery, forge};
use super::tamper::{Tampering, tamper};
use super::{Counts, Speed, TestError};
use crate::build::{self, Built, Keys};
use crate::cli::{Machine, RunOptions, Setup, parse_size};
use crate::disk;
use crate::error::ToolError;
use crate::run::machine::{Boot, new_mark};
use crate::run::session::{self, CLEAN_AUDIT, Capture, Ending, Proof, Streams};
use crate::run::{self, RunFolder};
use crate::tree::Tree;

/// The tables, relative to the tree: what must work, and what must not.
const TABLES: [&str; 2] = ["tests/scenarios.toml", "tests/attacks.toml"];

/// Patterns with this word are about deaths, of which only the kernel tells.
const DEATH: &str = "died:";

/// The table's top level.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    scenario: Vec<Scenario>,
}

/// Numbers of processors, one run each.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number of processors, or a list of such"
)]
enum Cpus {
    /// One run.
    One(u32),
    /// Several.
    Several(Vec<u32>),
}

impl Default for Cpus {
    fn default() -> Self {
        Self::One(1)
    }
}

impl Cpus {
    fn numbers(&self) -> &[u32] {
        match self {
            Self::One(number) => std::slice::from_ref(number),
            Self::Several(numbers) => numbers,
        }
    }
}

/// Where a scenario is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// On which machine.
    pub machine: Machine,
    /// With how many processors.
    pub cpus: u32,
}

/// One line of the table; the file says what each field means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    name: String,
    speed: Speed,
    machines: Option<Vec<Machine>>,
    #[serde(default = "default_system")]
    system: String,
    exec: String,
    stdout: Option<String>,
    #[serde(default)]
    matches: Vec<String>,
    #[serde(default)]
    log: Vec<String>,
    #[serde(default)]
    forged: Vec<String>,
    #[serde(default)]
    status: u8,
    #[serde(default)]
    cpus: Cpus,
    #[serde(default = "default_timeout")]
    timeout: u64,
    audit: Option<bool>,
    #[serde(default = "default_memory")]
    memory: String,
    #[serde(default)]
    iommu: bool,
    #[serde(default)]
    qemu: Vec<String>,
    #[serde(default = "default_disk_size")]
    disk_size: String,
    #[serde(default)]
    prepare: Vec<String>,
    #[serde(default)]
    host: Vec<String>,
    #[serde(default)]
    forge: Vec<Forgery>,
    tamper: Option<Tampering>,
    #[serde(default)]
    programs: Vec<String>,
    #[serde(default)]
    harden: bool,
}

fn default_system() -> String {
    "rv6".to_owned()
}

const fn default_timeout() -> u64 {
    60
}

fn default_memory() -> String {
    "512M".to_owned()
}

fn default_disk_size() -> String {
    "256M".to_owned()
}

/// What a run left behind.
struct Outcome {
    ending: Ending,
    stdout: Vec<u8>,
    log: String,
    /// What of the log the kernel and the supervisor said.
    proven: String,
}

/// Reads the tables.
///
/// # Errors
/// [`TestError::Table`] or [`ToolError::File`].
pub fn read(tree: &Tree) -> Result<Vec<Scenario>, ToolError> {
    let mut scenarios = Vec::new();
    for file in TABLES {
        scenarios.extend(read_table(tree, file)?);
    }
    Ok(scenarios)
}

fn read_table(tree: &Tree, file: &'static str) -> Result<Vec<Scenario>, ToolError> {
    let path = tree.path(file);
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    let table_error = |error: &dyn std::fmt::Display| table_error(file, error);
    let table: Table = toml::from_str(&text).map_err(|error| table_error(&error))?;
    for scenario in &table.scenario {
        for pattern in scenario.patterns() {
            Regex::new(pattern).map_err(|error| table_error(&error))?;
        }
        for size in [&scenario.disk_size, &scenario.memory] {
            parse_size(size).map_err(|error| table_error(&error))?;
        }
        let cpus = scenario.cpus.numbers();
        if cpus.is_empty() || cpus.iter().any(|number| !(1..=64).contains(number)) {
            let name = &scenario.name;
            return Err(table_error(&format!("{name}: expected cpus between 1 and 64")).into());
        }
    }
    Ok(table.scenario)
}

fn table_error(file: &'static str, error: &dyn std::fmt::Display) -> TestError {
    TestError::Table {
        file,
        message: error.to_string().trim().to_owned(),
    }
}

impl Scenario {
    fn patterns(&self) -> impl Iterator<Item = &String> {
        self.matches.iter().chain(&self.log).chain(&self.forged)
    }

    /// Its name, wherever it is run.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long it takes.
    pub const fn speed(&self) -> Speed {
        self.speed
    }

    /// Where it is run: on each machine, with each number of processors.
    pub fn places(&self) -> Vec<Place> {
        let both = [Machine::Hosted, Machine::Pc];
        let machines = self.machines.as_deref().unwrap_or(&both);
        let place = |machine: &Machine| {
            let machine = *machine;
            let cpus = self.cpus.numbers().iter();
            cpus.map(move |cpus| Place {
                machine,
                cpus: *cpus,
            })
        };
        machines.iter().flat_map(place).collect()
    }

    /// Its name in reports and filters.
    pub fn name_at(&self, place: Place) -> String {
        let machine = place.machine.name();
        match place.cpus {
            1 => format!("{machine}: {}", self.name),
            cpus => format!("{machine}, {cpus} CPUs: {}", self.name),
        }
    }

    /// Runs it and reports; counts one.
    pub fn run(&self, tree: &Tree, place: Place) -> Result<Counts, ToolError> {
        let begin = Instant::now();
        let folder = RunFolder::make(tree)?;
        let boot = self.prepare(tree, place, &folder)?;
        let host = Host {
            disk: boot.disk.clone(),
            stdout: folder.file("stdout"),
            forged: forged_folder(&folder)?,
        };
        let install: Vec<String> = self.programs.iter().map(|name| install(name)).collect();
        let commands = install.iter().chain(&self.prepare);
        let mut failures = host.run(commands.map(String::as_str))?;
        let outcome = self.boot(&boot)?;
        failures.extend(self.judge(&outcome));
        if failures.is_empty() {
            failures.extend(self.check_on_host(&host, &outcome)?);
        }
        let seconds = begin.elapsed().as_secs_f64();
        super::report_with_log(tree, seconds, &self.name_at(place), &failures, &outcome.log)
    }

    /// Builds what it needs and writes archive and disk, one scenario at a time:
    /// builds and pristine disks are shared.
    fn prepare(&self, tree: &Tree, place: Place, folder: &RunFolder) -> Result<Boot, ToolError> {
        static PREPARING: Mutex<()> = Mutex::new(());
        let _preparing = PREPARING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut built = build::build_with(tree, &self.system, place.machine, &self.programs)?;
        for program in &self.programs {
            if let Some(signed) = built.images.remove(program) {
                let path = forged_folder(folder)?.join(program);
                fs::copy(&signed, &path).map_err(ToolError::file("write", &path))?;
            }
        }
        for forgery in &self.forge {
            self.forge(tree, forgery, &mut built, folder)?;
        }
        let mut boot = run::prepare(tree, &self.options(place), &built, folder)?;
        boot.qemu_arguments.clone_from(&self.qemu);
        boot.mark = Some(new_mark()?);
        if let Some(tampering) = &self.tamper {
            self.tamper(tree, tampering, &boot.archive)?;
        }
        Ok(boot)
    }

    fn options(&self, place: Place) -> RunOptions {
        RunOptions {
            // `read` has checked the sizes.
            setup: Setup {
                system: self.system.clone(),
                machine: place.machine,
                cpus: place.cpus,
                memory: parse_size(&self.memory).unwrap_or(512 << 20),
                harden: self.harden,
                iommu: self.iommu,
            },
            disk: None,
            disk_size: parse_size(&self.disk_size).unwrap_or(256 << 20),
            exec: Some(self.exec.clone()),
            timeout: Some(self.timeout),
            gdb: false,
        }
    }

    /// Puts a forged image in the place of the one that was built.
    fn forge(
        &self,
        tree: &Tree,
        forgery: &Forgery,
        built: &mut Built,
        folder: &RunFolder,
    ) -> Result<(), ToolError> {
        let error = |error: &dyn std::fmt::Display| {
            let (name, image) = (&self.name, &forgery.image);
            let message = format!("{name}: cannot forge image {image}: {error}");
            table_error("the table of scenarios", &message)
        };
        let images = [&built.images, &built.programs];
        let found = images.iter().find_map(|images| images.get(&forgery.image));
        let path = found.ok_or_else(|| error(&"the system has none of that name"))?;
        let signed = fs::read(path).map_err(ToolError::file("read", path))?;
        let keys = Keys::load_or_make(tree)?;
        let forged = forge(&signed, forgery.change, &keys.seed).map_err(|reason| error(&reason))?;
        let name = forgery.file.as_ref().unwrap_or(&forgery.image);
        let path = forged_folder(folder)?.join(name);
        fs::write(&path, forged).map_err(ToolError::file("write", &path))?;
        if forgery.file.is_none() {
            built.images.insert(forgery.image.clone(), path);
        }
        Ok(())
    }

    /// Puts a damaged boot archive in the place of the one that was written.
    fn tamper(&self, tree: &Tree, tampering: &Tampering, path: &Path) -> Result<(), ToolError> {
        let archive = fs::read(path).map_err(ToolError::file("read", path))?;
        let keys = Keys::load_or_make(tree)?;
        let tampered = tamper(&archive, tampering, &keys.seed).map_err(|error| {
            let message = format!("{}: cannot tamper: {error}", self.name);
            table_error("the table of scenarios", &message)
        })?;
        fs::write(path, tampered).map_err(ToolError::file("write", path))
    }

    /// Boots it to its end; what it printed.
    fn boot(&self, boot: &Boot) -> Result<Outcome, ToolError> {
        let (stdout, log) = (Capture::default(), Capture::default());
        let proof = Proof::of(boot.mark.as_deref());
        let streams = Streams {
            console: Box::new(stdout.clone()),
            log: Box::new(log.clone()),
            is_interactive: false,
            proof: proof.clone(),
        };
        let limit = Some(Duration::from_secs(self.timeout));
        let ending = session::watch(boot.command(), streams, limit)?;
        Ok(Outcome {
            ending,
            stdout: stdout.take(),
            log: String::from_utf8_lossy(&log.take()).into_owned(),
            proven: proof.text(),
        })
    }

    /// Compares what was printed with what was expected.
    fn judge(&self, outcome: &Outcome) -> Vec<String> {
        let mut failures = Vec::new();
        if outcome.ending != Ending::Status(self.status) {
            failures.push(format!(
                "expected exit status {}, found {:?}",
                self.status, outcome.ending
            ));
        }
        let stdout = String::from_utf8_lossy(&outcome.stdout);
        if let Some(expected) = &self.stdout
            && expected.as_bytes() != outcome.stdout
        {
            failures.push(format!(
                "expected standard output {expected:?}, found {stdout:?}"
            ));
        }
        let mut rest: &str = &stdout;
        for pattern in &self.matches {
            match find(pattern, rest) {
                Some(end) => rest = &rest[end..],
                None => {
                    failures.push(format!(
                        "expected {pattern:?} next in standard output, found {rest:?}"
                    ));
                    break;
                }
            }
        }
        failures.extend(self.judge_log(outcome));
        failures
    }

    /// Compares the log with what was expected.
    fn judge_log(&self, outcome: &Outcome) -> Vec<String> {
        let mut failures = Vec::new();
        for pattern in &self.log {
            let (text, whose) = match pattern.contains(DEATH) {
                true => (&outcome.proven, "what the kernel logged"),
                false => (&outcome.log, "the log"),
            };
            if find(pattern, text).is_none() {
                failures.push(format!("expected {pattern:?} in {whose}"));
            }
        }
        for pattern in &self.forged {
            if find(pattern, &outcome.log).is_none() || find(pattern, &outcome.proven).is_some() {
                failures.push(format!(
                    "expected {pattern:?} in the log, but not as the kernel's or supervisor's"
                ));
            }
        }
        let wants_audit = self.audit.unwrap_or(self.system == default_system());
        if wants_audit && !session::has_clean_audit(&outcome.proven) {
            failures.push(format!("expected {CLEAN_AUDIT:?} in the log"));
        }
        failures
    }

    /// Checks the disk, and runs the scenario's own checks on it.
    fn check_on_host(&self, host: &Host, outcome: &Outcome) -> Result<Vec<String>, ToolError> {
        let stdout = &host.stdout;
        fs::write(stdout, &outcome.stdout).map_err(ToolError::file("write", stdout))?;
        let checks = std::iter::once("e2fsck -fn \"$DISK\" 2>&1");
        host.run(checks.chain(self.host.iter().map(String::as_str)))
    }
}

/// Files that shell commands on the host are told of.
struct Host {
    disk: PathBuf,
    stdout: PathBuf,
    forged: PathBuf,
}

impl Host {
    /// Runs shell commands; what failed.
    fn run<'a>(&self, commands: impl Iterator<Item = &'a str>) -> Result<Vec<String>, ToolError> {
        let mut failures = Vec::new();
        for command in commands {
            let output = Command::new("sh")
                .args(["-euc", command])
                .env("DISK", &self.disk)
                .env("STDOUT", &self.stdout)
                .env("FORGED", &self.forged)
                .env("PATH", disk::search_path())
                .stdin(Stdio::null())
                .output()
                .map_err(build::start_error("sh"))?;
            if !output.status.success() {
                let shown = String::from_utf8_lossy(&output.stdout).into_owned();
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                failures.push(format!("on the host, {command} failed: {shown}{error}"));
            }
        }
        Ok(failures)
    }
}

/// The shell command that puts a program onto the disk.
fn install(name: &str) -> String {
    format!(
        "printf 'write %s/{name} /bin/{name}\nsif /bin/{name} mode 0100755\n' $FORGED \
         | debugfs -w -f - $DISK 2>&1"
    )
}

/// Where a run's forged images lie.
fn forged_folder(folder: &RunFolder) -> Result<PathBuf, ToolError> {
    let path = folder.file("forged");
    fs::create_dir_all(&path).map_err(ToolError::file("make", &path))?;
    Ok(path)
}

/// Where the first match of a pattern ends.
fn find(pattern: &str, text: &str) -> Option<usize> {
    // `read` has compiled every pattern once.
    let regex = Regex::new(&format!("(?m){pattern}")).ok()?;
    regex.find(text).map(|found| found.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(fields: &str) -> Result<Vec<(Machine, u32)>, String> {
        let text = format!("name = \"a\"\nspeed = \"quick\"\nexec = \"\"\n{fields}");
        let scenario: Scenario =
            toml::from_str(&text).map_err(|error| error.message().to_owned())?;
        let places = scenario.places().into_iter();
        Ok(places.map(|place| (place.machine, place.cpus)).collect())
    }

    #[test]
    fn a_scenario_runs_on_each_machine_with_each_number_of_cpus() {
        let (hosted, pc) = (Machine::Hosted, Machine::Pc);
        assert_eq!(places(""), Ok(vec![(hosted, 1), (pc, 1)]));
        assert_eq!(places("cpus = 2"), Ok(vec![(hosted, 2), (pc, 2)]));
        assert_eq!(
            places("cpus = [1, 4]\nmachines = [\"pc\"]"),
            Ok(vec![(pc, 1), (pc, 4)])
        );
    }

    #[test]
    fn other_cpus_and_unknown_fields_are_refused() {
        let error = places("cpus = \"two\"").unwrap_err();
        assert!(error.contains("expected a number of processors"), "{error}");
        assert!(places("cpu = 2").unwrap_err().contains("unknown field"));
    }
}
