//! From a manifest to the plan for one machine, every wire checked.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use abi::grant::GrantKind;
use domain_image::{IMAGE_TRAILER_SIZE, Note};
use manifest::{
    DeathPolicy, DomainPlan, GrantPlan, GrantSource, LimitsPlan, PciPattern, PciSelector,
    RestartLimit, SystemPlan,
};

use super::source::{DomainSource, GrantText, OnDeath, PciText, SHADOWS, Source};
use super::{SystemError, WiringError};
use crate::cli::{Machine, parse_size};
use crate::error::ToolError;

/// Pause before the first restart when the manifest names none.
const DEFAULT_BACKOFF_MS: u64 = 10;

/// Restarts in a row when the manifest names no limit.
const DEFAULT_LIMIT: u32 = 10;

/// Life after which a row of restarts is over, when the manifest names none.
const DEFAULT_SETTLE_MS: u64 = 20;

/// Restarts in 10 seconds when the manifest names no budget.
const DEFAULT_BUDGET: u32 = 200;

/// Interface of the supervisor's own object.
const SUPERVISOR: &str = "Supervisor";

/// What the images say of themselves, by name.
#[derive(Debug, Default)]
pub struct Images {
    notes: BTreeMap<String, ImageNote>,
}

/// A note that owns its texts.
#[derive(Clone, Debug)]
pub struct ImageNote {
    /// Fingerprint of the provided interface; 0: none.
    pub provides: u64,
    /// Its name.
    pub provides_name: String,
    /// The parameters in order.
    pub parameters: Vec<ImageParameter>,
}

/// A parameter that owns its texts.
#[derive(Clone, Debug)]
pub struct ImageParameter {
    /// Its name.
    pub name: String,
    /// Its kind; `None` for one this tool does not know.
    pub kind: Option<GrantKind>,
    /// Whether it may be left out.
    pub is_optional: bool,
    /// Fingerprint of the interface, for a proxy.
    pub fingerprint: u64,
    /// Name of the interface, for a proxy.
    pub interface: String,
}

impl Images {
    /// Reads the notes of signed images.
    ///
    /// # Errors
    /// [`ToolError::File`] or the image's own error.
    pub fn read(paths: &BTreeMap<String, PathBuf>) -> Result<Self, ToolError> {
        let mut images = Self::default();
        for (name, path) in paths {
            let file = fs::read(path).map_err(ToolError::file("read", path))?;
            // The build has just signed it; its kernel checks the signature.
            let elf = file
                .get(..file.len().saturating_sub(IMAGE_TRAILER_SIZE))
                .unwrap_or_default();
            let note = Note::parse(elf).map_err(|error| crate::build::BuildError::Image {
                path: path.clone(),
                error,
            })?;
            images.insert(name, ImageNote::from_note(&note));
        }
        Ok(images)
    }

    /// Adds what an image says of itself.
    pub fn insert(&mut self, name: &str, note: ImageNote) {
        self.notes.insert(name.to_owned(), note);
    }
}

impl ImageNote {
    fn from_note(note: &Note<'_>) -> Self {
        Self {
            provides: note.provides,
            provides_name: note.provides_name.to_owned(),
            parameters: note
                .parameters()
                .map(|parameter| ImageParameter {
                    name: parameter.name.to_owned(),
                    kind: GrantKind::from_number(parameter.kind),
                    is_optional: parameter.is_optional,
                    fingerprint: parameter.fingerprint,
                    interface: parameter.interface.to_owned(),
                })
                .collect(),
        }
    }
}

impl ImageParameter {
    /// What the parameter wants, in words.
    fn wants(&self) -> String {
        match self.kind {
            Some(GrantKind::Proxy) => format!("an object of interface {}", self.interface),
            Some(kind) => kind_name(kind).to_owned(),
            None => "something this tool does not know".to_owned(),
        }
    }
}

const fn kind_name(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Absent => "nothing",
        GrantKind::Proxy => "an object (domain = …)",
        GrantKind::Text => "text (text = … or options = …)",
        GrantKind::PciFunction => "a PCI function (pci = …)",
        GrantKind::DomainControl => "control of domains (control = true)",
        GrantKind::Console => "the console (console = true)",
        GrantKind::HostFile => "a file of the host (host_file = …)",
        GrantKind::BootArchive => "the boot archive (boot_archive = true)",
        GrantKind::Bytes => "bytes",
    }
}

impl Source {
    /// The plan for a machine, encoded for the supervisor.
    ///
    /// # Errors
    /// [`SystemError::Wiring`] for the first wire that is wrong,
    /// [`SystemError::Encode`] for a plan that has no bytes.
    pub fn compile(&self, machine: Machine, images: &Images) -> Result<Vec<u8>, SystemError> {
        let plan = self.plan(machine, images)?;
        plan.encode().map_err(|error| SystemError::Encode {
            system: self.name.clone(),
            error,
        })
    }

    /// The plan for a machine.
    ///
    /// # Errors
    /// [`SystemError::Wiring`] for the first wire that is wrong.
    pub fn plan(&self, machine: Machine, images: &Images) -> Result<SystemPlan, SystemError> {
        let written: Vec<&DomainSource> = self.domains_on(machine).collect();
        let mut compiler = Compiler {
            system: &self.name,
            machine,
            images,
            domains: &written,
        };
        let shadows = compiler.shadows()?;
        let domains: Vec<&DomainSource> = written.iter().copied().chain(&shadows).collect();
        compiler.domains = &domains;
        Ok(SystemPlan {
            name: self.name.clone(),
            domains: compiler.compile()?,
        })
    }
}

/// One compilation: the domains of a machine and what their images say.
struct Compiler<'a> {
    system: &'a str,
    machine: Machine,
    images: &'a Images,
    domains: &'a [&'a DomainSource],
}

impl Compiler<'_> {
    /// The shadows that transparent domains get.
    fn shadows(&self) -> Result<Vec<DomainSource>, SystemError> {
        let mut shadows = Vec::new();
        for domain in self.domains {
            if !domain.is_transparent() && domain.attempts.is_some() {
                return Err(self.error(domain, WiringError::UselessAttempts));
            }
            if domain.is_transparent() {
                let image = self.shadow_image(domain);
                shadows.push(domain.shadow(image.map_err(|wiring| self.error(domain, wiring))?));
            }
        }
        Ok(shadows)
    }

    /// The image of a shadow for what a domain provides.
    fn shadow_image(&self, domain: &DomainSource) -> Result<&'static str, WiringError> {
        let provided = &self.note(domain)?.provides_name;
        let found = SHADOWS
            .iter()
            .find(|(interface, _)| interface == provided)
            .map(|(_, image)| *image);
        found.ok_or_else(|| WiringError::NoShadow {
            provided: provided.clone(),
        })
    }

    fn compile(&self) -> Result<Vec<DomainPlan>, SystemError> {
        for (position, domain) in self.domains.iter().enumerate() {
            self.check_name(position, domain)
                .map_err(|wiring| self.error(domain, wiring))?;
        }
        let order = self.start_order()?;
        order
            .iter()
            .map(|domain| {
                self.plan_domain(domain, &order)
                    .map_err(|wiring| self.error(domain, wiring))
            })
            .collect()
    }

    fn check_name(&self, position: usize, domain: &DomainSource) -> Result<(), WiringError> {
        if !(1..=31).contains(&domain.name.len()) {
            return Err(WiringError::NameLength(domain.name.len()));
        }
        if !abi::note::is_domain_name(&domain.name) {
            let name = domain.name.clone();
            return Err(WiringError::Name { name });
        }
        let mut earlier = self.domains.iter().take(position);
        if earlier.any(|other| other.name == domain.name) {
            return Err(WiringError::DuplicateName);
        }
        Ok(())
    }

    /// Sorts the domains so that each stands after those it is handed; where
    /// that leaves a choice, in the order of the manifest.
    fn start_order(&self) -> Result<Vec<&DomainSource>, SystemError> {
        let mut order: Vec<&DomainSource> = Vec::new();
        let mut waiting: Vec<&DomainSource> = self.domains.to_vec();
        while !waiting.is_empty() {
            let is_ready = |domain: &&DomainSource| {
                self.providers(domain)
                    .all(|provider| order.iter().any(|started| started.name == provider.name))
            };
            let Some(position) = waiting.iter().position(is_ready) else {
                let names: Vec<&str> = waiting.iter().map(|domain| domain.name.as_str()).collect();
                let cycle = WiringError::Cycle(names.join(", "));
                return Err(self.error(waiting[0], cycle));
            };
            order.push(waiting.remove(position));
        }
        Ok(order)
    }

    /// The domains whose objects a domain is handed.
    fn providers<'a>(&'a self, domain: &'a DomainSource) -> impl Iterator<Item = &'a DomainSource> {
        domain
            .grants
            .values()
            .filter_map(|grant| grant.domain.as_ref())
            .filter_map(|wanted| self.find(wanted.names(), domain))
    }

    /// The first of these domains that the machine has, as `asker` sees it: a
    /// transparent one behind its shadow, by everybody but that.
    fn find(&self, names: &[String], asker: &DomainSource) -> Option<&DomainSource> {
        let find = |is_it: &dyn Fn(&DomainSource) -> bool| {
            self.domains.iter().copied().find(|domain| is_it(domain))
        };
        let found = names
            .iter()
            .find_map(|name| find(&|domain| domain.name == *name))?;
        if asker.shadow_of.is_none() && found.is_transparent() {
            return find(&|domain| domain.shadow_of.as_ref() == Some(&found.name));
        }
        Some(found)
    }

    fn plan_domain(
        &self,
        domain: &DomainSource,
        order: &[&DomainSource],
    ) -> Result<DomainPlan, WiringError> {
        let image = domain.image_name().to_owned();
        let note = self.note(domain)?;
        let names = || {
            note.parameters
                .iter()
                .map(|parameter| parameter.name.as_str())
        };
        let mut functions = domain
            .grants
            .values()
            .filter_map(|grant| grant.pci.as_ref());
        if let Some(first) = functions.next()
            && functions.any(|other| other.dma != first.dma)
        {
            return Err(WiringError::MixedDma);
        }
        for parameter in domain.grants.keys() {
            if !names().any(|name| name == parameter) {
                let (image, parameter) = (image.clone(), parameter.clone());
                let known = names().collect::<Vec<_>>().join(", ");
                return Err(WiringError::UnknownParameter {
                    image,
                    parameter,
                    known,
                });
            }
        }
        let grants = note.parameters.iter().map(|parameter| {
            Ok(GrantPlan {
                parameter: parameter.name.clone(),
                source: self.plan_grant(domain, parameter, order)?,
            })
        });
        Ok(DomainPlan {
            name: domain.name.clone(),
            image,
            grants: grants.collect::<Result<_, WiringError>>()?,
            on_death: death_policy(domain),
            is_promised: domain.shadow_of.is_some(),
            limits: limits(domain)?,
            start_ns: number("start_ms", domain.start_ms, manifest::START_MS)? * 1_000_000,
            priority: domain.priority,
            is_essential: domain.essential,
        })
    }

    fn plan_grant(
        &self,
        domain: &DomainSource,
        parameter: &ImageParameter,
        order: &[&DomainSource],
    ) -> Result<GrantSource, WiringError> {
        let Some(grant) = domain.grants.get(&parameter.name) else {
            if parameter.is_optional {
                return Ok(GrantSource::Absent);
            }
            return Err(WiringError::MissingWire {
                image: domain.image_name().to_owned(),
                parameter: parameter.name.clone(),
                expected: parameter.wants(),
            });
        };
        let (kind, source) = self.read_source(domain, parameter, grant, order)?;
        if parameter.kind != Some(kind) {
            return Err(WiringError::WrongKind {
                parameter: parameter.name.clone(),
                expected: parameter.wants(),
                found: kind_name(kind),
            });
        }
        Ok(source)
    }

    /// What a grant gives, and its kind.
    fn read_source(
        &self,
        domain: &DomainSource,
        parameter: &ImageParameter,
        grant: &GrantText,
        order: &[&DomainSource],
    ) -> Result<(GrantKind, GrantSource), WiringError> {
        let mut sources = Vec::new();
        if let Some(wanted) = &grant.domain {
            let provider = self.find(wanted.names(), domain);
            let source = self.wire(parameter, wanted.names(), provider, order)?;
            sources.push((GrantKind::Proxy, source));
        }
        if let Some(pci) = &grant.pci {
            let selector = pci_selector(&parameter.name, pci)?;
            sources.push((GrantKind::PciFunction, GrantSource::Pci(selector)));
        }
        if grant.console == Some(true) {
            sources.push((GrantKind::Console, GrantSource::Console));
        }
        if grant.control == Some(true) {
            sources.push((GrantKind::DomainControl, GrantSource::DomainControl));
        }
        if grant.boot_archive == Some(true) {
            sources.push((GrantKind::BootArchive, GrantSource::BootArchive));
        }
        if grant.supervisor == Some(true) {
            if parameter.kind == Some(GrantKind::Proxy) && parameter.interface != SUPERVISOR {
                return Err(WiringError::OtherInterface {
                    parameter: parameter.name.clone(),
                    expected: parameter.interface.clone(),
                    provider: "the supervisor".to_owned(),
                    found: SUPERVISOR.to_owned(),
                });
            }
            // Its definition is compared when the supervisor hands it over.
            sources.push((GrantKind::Proxy, GrantSource::Supervisor));
        }
        if grant.succession == Some(true) {
            // Checked as that of the supervisor.
            sources.push((GrantKind::Proxy, GrantSource::Succession));
        }
        if let Some(name) = &grant.host_file {
            let name = name.clone();
            sources.push((GrantKind::HostFile, GrantSource::HostFile { name }));
        }
        if let Some(text) = &grant.text {
            sources.push((GrantKind::Text, GrantSource::Text(text.clone())));
        }
        if let Some(options) = &grant.options {
            let lines = options
                .iter()
                .map(|(key, value)| format!("{key}={value}\n"));
            sources.push((GrantKind::Text, GrantSource::Text(lines.collect())));
        }
        let found = sources.len();
        match sources.pop() {
            Some(source) if found == 1 => Ok(source),
            _ => Err(WiringError::SourceCount {
                parameter: parameter.name.clone(),
                found,
            }),
        }
    }

    /// The object of another domain, if its interface is the one wanted.
    fn wire(
        &self,
        parameter: &ImageParameter,
        wanted: &[String],
        provider: Option<&DomainSource>,
        order: &[&DomainSource],
    ) -> Result<GrantSource, WiringError> {
        let name = || parameter.name.clone();
        let provider = provider.ok_or_else(|| WiringError::NoSuchDomain {
            parameter: name(),
            wanted: wanted.join(" or "),
            machine: self.machine.name(),
        })?;
        let note = self.note(provider)?;
        let position = order.iter().position(|domain| domain.name == provider.name);
        let index = position
            .and_then(|index| u32::try_from(index).ok())
            .unwrap_or(u32::MAX);
        let provider = provider.name.clone();
        if parameter.kind != Some(GrantKind::Proxy) {
            // The caller reports the kind.
            return Ok(GrantSource::Domain { index });
        }
        if note.provides == 0 {
            return Err(WiringError::ProvidesNothing {
                parameter: name(),
                provider,
            });
        }
        if note.provides_name != parameter.interface {
            return Err(WiringError::OtherInterface {
                parameter: name(),
                expected: parameter.interface.clone(),
                provider,
                found: note.provides_name.clone(),
            });
        }
        if note.provides != parameter.fingerprint {
            return Err(WiringError::StaleInterface {
                parameter: name(),
                provider,
                interface: parameter.interface.clone(),
            });
        }
        Ok(GrantSource::Domain { index })
    }

    fn note(&self, domain: &DomainSource) -> Result<&ImageNote, WiringError> {
        let image = domain.image_name();
        self.images
            .notes
            .get(image)
            .ok_or_else(|| WiringError::Image {
                image: image.to_owned(),
                error: domain_image::ImageError::NoNote,
            })
    }

    fn error(&self, domain: &DomainSource, wiring: WiringError) -> SystemError {
        SystemError::Wiring {
            system: self.system.to_owned(),
            domain: domain.name.clone(),
            wiring: Box::new(wiring),
        }
    }
}

fn death_policy(domain: &DomainSource) -> DeathPolicy {
    let limit = RestartLimit {
        backoff_ns: domain
            .backoff_ms
            .unwrap_or(DEFAULT_BACKOFF_MS)
            .saturating_mul(1_000_000),
        limit: domain.limit.unwrap_or(DEFAULT_LIMIT),
        settle_ns: domain
            .settle_ms
            .unwrap_or(DEFAULT_SETTLE_MS)
            .saturating_mul(1_000_000),
        budget: domain.budget.unwrap_or(DEFAULT_BUDGET),
    };
    match domain.on_death {
        OnDeath::Stop => DeathPolicy::Stop,
        OnDeath::Restart => DeathPolicy::Restart(limit),
        OnDeath::Transparent => DeathPolicy::Transparent(limit),
    }
}

/// What a domain may use; 0 where the manifest says nothing.
fn limits(domain: &DomainSource) -> Result<LimitsPlan, WiringError> {
    let watchdog_ms = number("watchdog_ms", domain.watchdog_ms, manifest::WATCHDOG_MS)?;
    // The ranges of the others end below 2^32.
    let small = |key, value, range| number(key, value, range).map(|value| value as u32);
    Ok(LimitsPlan {
        memory_bytes: bytes("memory", domain.memory.as_deref())?,
        exchange_bytes: bytes("exchange", domain.exchange.as_deref())?,
        watchdog_ns: watchdog_ms * 1_000_000,
        threads: small("threads", domain.threads, manifest::THREADS)?,
        handles: small("handles", domain.handles, manifest::HANDLES)?,
        log_lines: small("log_lines", domain.log_lines, manifest::LOG_LINES)?,
        cpu_percent: small("cpu_percent", domain.cpu_percent, manifest::CPU_PERCENT)?,
    })
}

fn bytes(key: &'static str, text: Option<&str>) -> Result<u64, WiringError> {
    let Some(text) = text else {
        return Ok(0);
    };
    let bytes = parse_size(text).map_err(|error| WiringError::Size {
        key,
        text: text.to_owned(),
        message: error.to_string(),
    })?;
    number(key, Some(bytes), manifest::BYTES)
}

fn number(
    key: &'static str,
    value: Option<u64>,
    range: RangeInclusive<u64>,
) -> Result<u64, WiringError> {
    match value {
        None => Ok(0),
        Some(value) if range.contains(&value) => Ok(value),
        Some(value) => Err(WiringError::Range {
            key,
            value,
            least: *range.start(),
            most: *range.end(),
        }),
    }
}

/// Reads `class = "01:08:02"` or `device = "8086:10fb"`.
fn pci_selector(parameter: &str, text: &PciText) -> Result<PciSelector, WiringError> {
    let error = |text: &str, expected| WiringError::PciSelector {
        parameter: parameter.to_owned(),
        text: text.to_owned(),
        expected,
    };
    let pattern = match (&text.class, &text.device) {
        (Some(class), None) => match hex_fields(class, 2).as_deref() {
            Some([class, subclass, interface]) => {
                PciPattern::Class(class << 16 | subclass << 8 | interface)
            }
            _ => return Err(error(class, "class:subclass:interface, such as 01:08:02")),
        },
        (None, Some(device)) => match hex_fields(device, 4).as_deref() {
            Some([vendor, device]) => PciPattern::Device {
                vendor: *vendor as u16,
                device: *device as u16,
            },
            _ => return Err(error(device, "vendor:device, such as 8086:10fb")),
        },
        _ => return Err(error("", "one of class and device")),
    };
    Ok(PciSelector {
        pattern,
        index: text.index,
        dma: text.dma,
    })
}

/// Reads hexadecimal fields of exactly `digits` digits, separated by colons.
fn hex_fields(text: &str, digits: usize) -> Option<Vec<u32>> {
    text.split(':')
        .map(|field| {
            (field.len() == digits)
                .then(|| u32::from_str_radix(field, 16).ok())
                .flatten()
        })
        .collect()
}
