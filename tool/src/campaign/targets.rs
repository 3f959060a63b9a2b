//! Which domains faults are injected into.

use campaign::{Cause, Kind, Plan, Target};

use super::{CampaignError, known};
use crate::cli::{CampaignOptions, Machine};
use crate::error::ToolError;
use crate::system::{DomainSource, Source};
use crate::tree::Tree;

/// The personality that runs the workload.
const SHELL: &str = "rv6";

/// A process of the workload that waits for its death.
const VICTIM: &str = "victim";

/// The targets of a campaign.
#[derive(Debug)]
pub struct Targets {
    targets: Vec<Target>,
    /// Names of the domains whose deaths no client may see: all that come back.
    unseen: Vec<String>,
}

impl Targets {
    /// Those that the options name, or all but those that the system ends with.
    ///
    /// # Errors
    /// Any [`ToolError`] of manifests, and [`CampaignError`].
    pub fn choose(tree: &Tree, options: &CampaignOptions) -> Result<Self, ToolError> {
        let source = Source::read(tree, &options.setup.system)?;
        let machine = options.setup.machine;
        if !source.domains_on(machine).any(|one| one.name == SHELL) {
            return Err(CampaignError::Shellless(options.setup.system.clone()).into());
        }
        let all = all(&source, machine);
        let targets: Vec<Target> = match options.target.as_slice() {
            [] => all,
            names => names
                .iter()
                .map(|name| {
                    let found = all.iter().find(|target| &target.name == name);
                    found.cloned().ok_or_else(|| CampaignError::UnknownTarget {
                        system: options.setup.system.clone(),
                        machine: machine.name(),
                        name: name.clone(),
                        known: known(&source, machine).join(", "),
                    })
                })
                .collect::<Result<_, _>>()?,
        };
        let causes = causes(options);
        if Plan::new(options.seed, &targets, &causes).is_none() {
            let names: Vec<&str> = causes.iter().map(|cause| cause.name()).collect();
            return Err(CampaignError::Impossible(names.join(", ")).into());
        }
        let unseen = unseen(&source, machine);
        Ok(Self { targets, unseen })
    }

    /// What the shell is to run.
    pub fn command(&self, options: &CampaignOptions) -> String {
        let causes: Vec<&str> = causes(options).iter().map(|cause| cause.name()).collect();
        let targets: Vec<String> = self.targets.iter().map(word).collect();
        format!(
            "campaign --faults {} --seed {} --causes {} {}",
            options.faults,
            options.seed,
            causes.join(","),
            targets.join(" ")
        )
    }

    /// Whether clients may not see the deaths of this one.
    pub fn is_unseen(&self, name: &str) -> bool {
        self.unseen.iter().any(|known| known == name)
    }
}

/// The domains of a system that come back when they die, shadows included.
fn unseen(source: &Source, machine: Machine) -> Vec<String> {
    let domains = source.domains_on(machine);
    let back = domains.filter(|domain| domain.comes_back());
    back.flat_map(|domain| {
        let shadow = domain.is_transparent().then(|| domain.shadow_name());
        [Some(domain.name.clone()), shadow]
    })
    .flatten()
    .collect()
}

/// The causes that the options name, or all but the kill from outside, which is
/// no fault.
fn causes(options: &CampaignOptions) -> Vec<Cause> {
    match options.cause.as_slice() {
        [] => Cause::ALL
            .into_iter()
            .filter(|cause| *cause != Cause::Kill)
            .collect(),
        named => named.to_vec(),
    }
}

/// A target, as the program `campaign` reads it.
fn word(target: &Target) -> String {
    match target.kind {
        Kind::Service => target.name.clone(),
        kind => format!("{}:{}", target.name, kind.name()),
    }
}

/// Every possible target of a system, in the order of its manifest; a victim of
/// the workload's own is the last.
pub fn all(source: &Source, machine: Machine) -> Vec<Target> {
    let mut all = Vec::new();
    for domain in source.domains_on(machine) {
        if domain.essential && !domain.comes_back() {
            continue;
        }
        let kind = if drives_device(domain) {
            Kind::Driver
        } else {
            Kind::Service
        };
        let mut add = |name: String, kind| all.push(Target { name, kind });
        add(domain.name.clone(), kind);
        if domain.is_transparent() {
            add(domain.shadow_name(), Kind::Service);
        }
    }
    all.push(Target {
        name: VICTIM.to_owned(),
        kind: Kind::Program,
    });
    all
}

fn drives_device(domain: &DomainSource) -> bool {
    let mut grants = domain.grants.values();
    grants.any(|grant| grant.pci.is_some() || grant.host_file.is_some())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn who_comes_back_is_seen_by_nobody() {
        let text = r#"
[[domain]]
name = "disk"
on_death = "transparent"

[[domain]]
name = "keeper"
on_death = "restart"

[[domain]]
name = "rv6"
"#;
        let source = Source::parse("test", Path::new("systems/test.toml"), text).unwrap();
        let unseen = unseen(&source, Machine::Pc);
        assert_eq!(unseen, ["disk", "disk-shadow", "keeper"]);
    }
}
