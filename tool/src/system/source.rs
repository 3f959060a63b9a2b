//! A system manifest as it is written.
//!
//! ```toml
//! supervisor = "init"            # default; tests of the kernel have their own
//! base = "rv6"                   # the domains of that system come first
//! images = ["nvme-next"]         # further images, for upgrades
//!
//! [[domain]]
//! name = "files"                 # unique on each machine
//! image = "ext2fs"               # default: the name
//! machine = "pc"                 # default: every machine
//! on_death = "restart"           # "stop" (default), "restart", "transparent"
//! backoff_ms = 10                # pause before the first restart
//! limit = 5                      # restarts in a row
//! settle_ms = 20                 # a life this long ends a row
//! budget = 200                   # restarts in 10 s, in a row or not
//! essential = true               # the system ends when it stays dead
//! attempts = 1                   # deaths one call survives, if "transparent"
//! memory = "4MiB"                # most private memory (default 64 MiB)
//! exchange = "4MiB"              # most bytes of exchange objects (64 MiB)
//! start_ms = 1000                # longest time until its entry comes back (30 s)
//! watchdog_ms = 1000             # most CPU time of its own in one call
//! cpu_percent = 50               # most CPU time in a second, of one CPU
//! threads = 16                   # most threads (64)
//! handles = 100                  # most proxies held, objects exported (1,024)
//! log_lines = 100                # most lines logged in a second (500)
//! priority = 1
//!
//! [domain.grants]                # parameter of the image = source
//! disk = { domain = ["nvme", "filedisk"] }   # the one this machine has
//! ```
//!
//! Sources: `domain`, `pci = { class = "01:08:02" }` or `{ device =
//! "8086:10fb", index = 1, dma = "strict" }` (`dma` is `"leased"`, `"strict"` or
//! `"open"`: docs/threat-model.md), `console = true`, `control = true`,
//! `boot_archive = true`, `supervisor = true` (an object of its interface),
//! `succession = true` (state of its predecessor),
//! `host_file = "disk"`, `text = "…"`, and `options = { … }`, which becomes
//! text of `key=value` lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use manifest::Dma;
use serde::Deserialize;

use super::SystemError;
use crate::cli::Machine;
use crate::error::ToolError;
use crate::tree::Tree;

/// Interfaces that have a shadow, and its image. A shadow's image has two
/// parameters: `guarded`, an object of the interface it provides, and `options`.
pub const SHADOWS: [(&str, &str); 2] = [
    ("BlockDevice", "shadow-block"),
    ("FileSystem", "shadow-files"),
];

/// A manifest.
#[derive(Debug)]
pub struct Source {
    /// Name of the system.
    pub name: String,
    /// Image the kernel starts, `images/init` in the boot archive.
    pub supervisor: String,
    /// Its domains as written.
    pub domains: Vec<DomainSource>,
    /// Further images for the boot archive.
    pub images: Vec<String>,
}

/// The file's top level.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSource {
    #[serde(default = "default_supervisor")]
    supervisor: String,
    #[serde(default)]
    domain: Vec<DomainSource>,
    /// System whose domains come first.
    base: Option<String>,
    /// Further images for the boot archive.
    #[serde(default)]
    images: Vec<String>,
}

/// The supervisor of every system but those that test the kernel.
fn default_supervisor() -> String {
    "init".to_owned()
}

/// A `[[domain]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainSource {
    /// Name in the system.
    pub name: String,
    /// Name of the image, if it is another.
    pub image: Option<String>,
    /// Only there.
    pub machine: Option<Machine>,
    /// What the supervisor does when it dies.
    #[serde(default)]
    pub on_death: OnDeath,
    /// Pause before the first restart.
    pub backoff_ms: Option<u64>,
    /// Most restarts in a row.
    pub limit: Option<u32>,
    /// Life after which a row of restarts is over.
    pub settle_ms: Option<u64>,
    /// Most restarts in 10 seconds.
    pub budget: Option<u32>,
    /// The system ends when it stays dead.
    #[serde(default)]
    pub essential: bool,
    /// Deaths that one call survives behind a shadow.
    pub attempts: Option<u32>,
    /// Most private memory.
    pub memory: Option<String>,
    /// Most bytes of exchange objects.
    pub exchange: Option<String>,
    /// Longest time until its entry comes back.
    pub start_ms: Option<u64>,
    /// Most CPU time of its own in one call.
    pub watchdog_ms: Option<u64>,
    /// Most CPU time in a second, in percent of one CPU.
    pub cpu_percent: Option<u64>,
    /// Most threads.
    pub threads: Option<u64>,
    /// Most proxies held, and most objects exported.
    pub handles: Option<u64>,
    /// Most lines logged in a second.
    pub log_lines: Option<u64>,
    /// Priority of its threads.
    #[serde(default)]
    pub priority: u32,
    /// Parameter of the image → source.
    #[serde(default)]
    pub grants: BTreeMap<String, GrantText>,
    /// Name of the domain it is the shadow of. Not written: the compiler adds
    /// shadows.
    #[serde(skip)]
    pub shadow_of: Option<String>,
}

/// What the supervisor does when a domain dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDeath {
    /// Nothing.
    #[default]
    Stop,
    /// Starts it again.
    Restart,
    /// Starts it again behind a shadow.
    Transparent,
}

/// A source of a grant; exactly one of the fields is given.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantText {
    /// The object of another domain, or of the first that the machine has.
    pub domain: Option<OneOrMore>,
    /// A PCI function.
    pub pci: Option<PciText>,
    /// The console.
    pub console: Option<bool>,
    /// Control of domains.
    pub control: Option<bool>,
    /// The boot archive.
    pub boot_archive: Option<bool>,
    /// The supervisor's own object.
    pub supervisor: Option<bool>,
    /// The link to its predecessor and successor.
    pub succession: Option<bool>,
    /// A file of the host.
    pub host_file: Option<String>,
    /// Text as it is.
    pub text: Option<String>,
    /// Options, one `key=value` line each.
    pub options: Option<BTreeMap<String, OptionValue>>,
}

/// A name, or several to choose from.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    /// All of them.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::More(names) => names,
        }
    }
}

/// Which PCI function.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PciText {
    /// `class:subclass:interface` in hexadecimal digits.
    pub class: Option<String>,
    /// `vendor:device` in hexadecimal digits.
    pub device: Option<String>,
    /// Which of those that match.
    #[serde(default)]
    pub index: u32,
    /// How an IOMMU guards against it.
    #[serde(default)]
    pub dma: Dma,
}

/// The value of an option.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum OptionValue {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Switch(bool),
}

impl std::fmt::Display for OptionValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Switch(switch) => switch.fmt(f),
        }
    }
}

impl Source {
    /// Reads the manifest of a system.
    ///
    /// # Errors
    /// [`SystemError::Unknown`], [`SystemError::Syntax`] or [`ToolError::File`].
    pub fn read(tree: &Tree, name: &str) -> Result<Self, ToolError> {
        let folder = tree.path("systems");
        let path = folder.join(format!("{name}.toml"));
        let is_name = !name.is_empty() && !name.contains(['/', '.']);
        if !is_name || !path.is_file() {
            let (name, known) = (name.to_owned(), known_systems(&folder));
            return Err(SystemError::Unknown { name, known }.into());
        }
        let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
        let shown = path.strip_prefix(tree.root()).unwrap_or(&path);
        let (mut source, base) = Self::parse_with_base(name, shown, &text)?;
        if let Some(base) = base.filter(|base| base != name) {
            let mut domains = Self::read(tree, &base)?.domains;
            domains.append(&mut source.domains);
            source.domains = domains;
        }
        Ok(source)
    }

    /// Reads the text of a manifest without a base; `path` stands in messages.
    #[cfg(test)]
    pub fn parse(name: &str, path: &Path, text: &str) -> Result<Self, SystemError> {
        Self::parse_with_base(name, path, text).map(|(source, _)| source)
    }

    /// Reads the text of a manifest, and the name of the system it builds on.
    fn parse_with_base(
        name: &str,
        path: &Path,
        text: &str,
    ) -> Result<(Self, Option<String>), SystemError> {
        let file: FileSource = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let before = text.get(..offset).unwrap_or_default();
            SystemError::Syntax {
                path: path.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
                message: error.message().replace('\n', ", "),
            }
        })?;
        let source = Self {
            name: name.to_owned(),
            supervisor: file.supervisor,
            domains: file.domain,
            images: file.images,
        };
        Ok((source, file.base))
    }

    /// The domains that a machine has.
    pub fn domains_on(&self, machine: Machine) -> impl Iterator<Item = &DomainSource> {
        self.domains
            .iter()
            .filter(move |domain| domain.machine.is_none_or(|only| only == machine))
    }

    /// Names of the images that a machine needs, with repetitions.
    pub fn image_names(&self, machine: Machine) -> Vec<String> {
        let names = self.domains_on(machine).map(DomainSource::image_name);
        let has_shadows = self.domains_on(machine).any(DomainSource::is_transparent);
        let shadows = SHADOWS.iter().map(|(_, image)| *image);
        names
            .chain(shadows.filter(|_| has_shadows))
            .chain(self.images.iter().map(String::as_str))
            .map(str::to_owned)
            .collect()
    }
}

impl DomainSource {
    /// Name of the image.
    pub fn image_name(&self) -> &str {
        self.image.as_deref().unwrap_or(&self.name)
    }

    /// Whether it is started again when it dies.
    pub fn comes_back(&self) -> bool {
        self.on_death != OnDeath::Stop
    }

    /// Whether a shadow is to stand in front of it.
    pub fn is_transparent(&self) -> bool {
        self.on_death == OnDeath::Transparent
    }

    /// Name of the shadow in front of it, if it is transparent.
    pub fn shadow_name(&self) -> String {
        format!("{}-shadow", self.name)
    }

    /// The shadow in front of it, from this image.
    pub fn shadow(&self, image: &str) -> Self {
        let guarded = GrantText {
            domain: Some(OneOrMore::One(self.name.clone())),
            ..GrantText::default()
        };
        let attempts = self.attempts.map(|attempts| {
            let value = OptionValue::Number(attempts.into());
            ("attempts".to_owned(), value)
        });
        let options = GrantText {
            options: Some(attempts.into_iter().collect()),
            ..GrantText::default()
        };
        Self {
            name: self.shadow_name(),
            image: Some(image.to_owned()),
            machine: self.machine,
            on_death: OnDeath::Restart,
            backoff_ms: self.backoff_ms,
            limit: self.limit,
            settle_ms: self.settle_ms,
            budget: self.budget,
            essential: false,
            attempts: None,
            memory: None,
            exchange: None,
            start_ms: None,
            watchdog_ms: None,
            cpu_percent: None,
            threads: None,
            handles: None,
            log_lines: None,
            priority: self.priority,
            grants: [
                ("guarded".to_owned(), guarded),
                ("options".to_owned(), options),
            ]
            .into(),
            shadow_of: Some(self.name.clone()),
        }
    }
}

/// The systems there are, for a message.
fn known_systems(folder: &Path) -> String {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    names.join(", ")
}
