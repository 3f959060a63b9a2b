//! System manifests: `systems/NAME.toml` and the plan compiled from one.
//!
//! [`source`] reads the file as it is written; [`compile`] decides what it
//! means for one machine and checks every wire against the images. What is
//! wrong with a manifest is said in one line that starts with its place.

mod compile;
mod source;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use compile::Images;
pub use source::{DomainSource, Source};

/// Why a system cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// There is no such manifest.
    #[error("there is no system {name:?}: expected one of {known}")]
    Unknown {
        /// Name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The manifest is not what the format says.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The manifest is well-formed and makes no system.
    #[error("system {system}, domain {}: {wiring}", domain.escape_debug())]
    Wiring {
        /// The system.
        system: String,
        /// The domain that is wired wrongly.
        domain: String,
        /// In which way.
        wiring: Box<WiringError>,
    },
    /// Its plan cannot be written.
    #[error("system {system}: {error}")]
    Encode {
        /// The system.
        system: String,
        /// What is wrong.
        error: manifest::PlanError,
    },
}

/// What is wrong with a domain's wiring.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WiringError {
    /// Two domains have this name.
    #[error("the name is taken: expected each domain to have its own")]
    DuplicateName,
    /// The name does not fit where names are kept.
    #[error("the name has {0} bytes, expected 1 to 31")]
    NameLength(usize),
    /// The name is a word that others' lines in the log begin with, or has characters
    /// that no name has.
    #[error(
        "the name {name:?} is refused: expected letters, digits, `-`, `_` and `.`, and none of {words}",
        words = abi::note::RESERVED_NAMES.join(", ")
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A parameter of the image gets nothing.
    #[error("image {image} wants parameter {parameter} ({expected}), and grants do not give it")]
    MissingWire {
        /// The image.
        image: String,
        /// The parameter.
        parameter: String,
        /// What it wants.
        expected: String,
    },
    /// A grant that the image has no parameter for.
    #[error("image {image} has no parameter {parameter}: expected one of {known}")]
    UnknownParameter {
        /// The image.
        image: String,
        /// The key in the manifest.
        parameter: String,
        /// The parameters it has.
        known: String,
    },
    /// A grant of another kind than the parameter.
    #[error("parameter {parameter} wants {expected}, and grants give {found}")]
    WrongKind {
        /// The parameter.
        parameter: String,
        /// What it wants.
        expected: String,
        /// What it gets.
        found: &'static str,
    },
    /// A grant names no source or several.
    #[error(
        "grant {parameter} names {found} sources: expected one of domain, pci, console, control, boot_archive, supervisor, succession, host_file, text, options"
    )]
    SourceCount {
        /// The parameter.
        parameter: String,
        /// How many it names.
        found: usize,
    },
    /// A grant of a domain that the machine does not have.
    #[error(
        "parameter {parameter} is given the object of {wanted}: no such domain on machine {machine}"
    )]
    NoSuchDomain {
        /// The parameter.
        parameter: String,
        /// The domains named.
        wanted: String,
        /// The machine.
        machine: &'static str,
    },
    /// The other domain provides nothing.
    #[error("parameter {parameter} wants an object of {provider}, which provides none")]
    ProvidesNothing {
        /// The parameter.
        parameter: String,
        /// The other domain.
        provider: String,
    },
    /// The other domain provides another interface.
    #[error("parameter {parameter} wants {expected}, and {provider} provides {found}")]
    OtherInterface {
        /// The parameter.
        parameter: String,
        /// Interface wanted.
        expected: String,
        /// The other domain.
        provider: String,
        /// Interface provided.
        found: String,
    },
    /// Same interface by name, other definition.
    #[error(
        "parameter {parameter} and {provider} were built with different definitions of {interface}: rebuild both"
    )]
    StaleInterface {
        /// The parameter.
        parameter: String,
        /// The other domain.
        provider: String,
        /// The interface.
        interface: String,
    },
    /// Domains that need each other to start.
    #[error("it needs itself to start, through {0}")]
    Cycle(String),
    /// Nothing can stand in front of it.
    #[error(
        "on_death = \"transparent\" wants something to put in front of it: there is no shadow for {}",
        if provided.is_empty() { "a domain that provides nothing" } else { provided }
    )]
    NoShadow {
        /// The interface it provides.
        provided: String,
    },
    /// `attempts` without a shadow to make them.
    #[error("attempts is for domains with on_death = \"transparent\"")]
    UselessAttempts,
    /// A PCI selector cannot be read.
    #[error("grant {parameter}: pci {text:?} is not {expected}")]
    PciSelector {
        /// The parameter.
        parameter: String,
        /// As written.
        text: String,
        /// The form expected.
        expected: &'static str,
    },
    /// Functions of one domain are guarded in different ways.
    #[error("functions with different dma: expected the same of all functions of a domain")]
    MixedDma,
    /// A size or time cannot be read.
    #[error("{key} = {text:?}: {message}")]
    Size {
        /// The key.
        key: &'static str,
        /// As written.
        text: String,
        /// What is wrong.
        message: String,
    },
    /// A limit is too small or too large.
    #[error("{key} = {value}: expected {least} to {most}")]
    Range {
        /// The key.
        key: &'static str,
        /// As written, sizes in bytes.
        value: u64,
        /// The least it may be.
        least: u64,
        /// The most it may be.
        most: u64,
    },
    /// An image could not be read.
    #[error("image {image}: {error}")]
    Image {
        /// The image.
        image: String,
        /// What is wrong with it.
        error: domain_image::ImageError,
    },
}
