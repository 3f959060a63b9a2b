//! The note in section `.redleaf.domain` that describes an image.

use crate::ABI_VERSION;

/// First bytes of a [`DomainNote`].
pub const NOTE_MAGIC: [u8; 8] = *b"RLDOMN01";

/// Most parameters an entry function may have.
pub const MAX_PARAMETERS: usize = 12;

/// A name of at most 31 bytes, zero-padded.
pub type Name = [u8; 32];

/// Describes an image: who built it, what it wants, what it provides.
///
/// Plain bytes without pointers, so host tools read it from the file.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DomainNote {
    /// [`NOTE_MAGIC`].
    pub magic: [u8; 8],
    /// [`ABI_VERSION`] of the build.
    pub abi_version: u32,
    /// Number of parameters in use.
    pub parameter_count: u32,
    /// Name of the domain function.
    pub name: Name,
    /// [`hash`] of the compiler's version string.
    pub compiler: u64,
    /// Fingerprint of the provided interface; 0: provides none.
    pub provides: u64,
    /// Name of the provided interface.
    pub provides_name: Name,
    /// Parameters in order.
    pub parameters: [ParameterNote; MAX_PARAMETERS],
}

/// One parameter of the entry function.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ParameterNote {
    /// Name of the parameter, the key in the system manifest.
    pub name: Name,
    /// A [`crate::grant::GrantKind`].
    pub kind: u32,
    /// 1 if the parameter may be left out of the manifest.
    pub optional: u32,
    /// Fingerprint of the interface, for a proxy; else 0.
    pub fingerprint: u64,
    /// Name of the interface, for a proxy; else empty.
    pub interface: Name,
}

impl ParameterNote {
    /// An unused entry.
    pub const EMPTY: Self = Self {
        name: [0; 32],
        kind: 0,
        optional: 0,
        fingerprint: 0,
        interface: [0; 32],
    };
}

impl DomainNote {
    /// A note for the compiler and ABI of this build.
    ///
    /// # Panics
    /// At compile time, when there are more than [`MAX_PARAMETERS`].
    #[must_use]
    pub const fn new(
        name: &str,
        parameters: &[ParameterNote],
        provides: Option<(&str, u64)>,
    ) -> Self {
        assert!(
            parameters.len() <= MAX_PARAMETERS,
            "a domain takes at most 12 parameters"
        );
        let mut all = [ParameterNote::EMPTY; MAX_PARAMETERS];
        let mut index = 0;
        while index < parameters.len() {
            all[index] = parameters[index];
            index += 1;
        }
        let (provides_name, provides) = match provides {
            Some((name, fingerprint)) => (self::name(name), fingerprint),
            None => ([0; 32], 0),
        };
        Self {
            magic: NOTE_MAGIC,
            abi_version: ABI_VERSION,
            #[expect(clippy::cast_possible_truncation, reason = "at most MAX_PARAMETERS")]
            parameter_count: parameters.len() as u32,
            name: self::name(name),
            compiler: hash(crate::COMPILER.as_bytes()),
            provides,
            provides_name,
            parameters: all,
        }
    }
}

/// Pads `text` to a [`Name`]; longer text is cut after 31 bytes.
#[must_use]
pub const fn name(text: &str) -> Name {
    let bytes = text.as_bytes();
    let mut name = [0; 32];
    let mut index = 0;
    while index < bytes.len() && index < 31 {
        name[index] = bytes[index];
        index += 1;
    }
    name
}

/// Words that lines of the kernel's and the supervisor's in the log begin with: lines of
/// a domain begin with its name.
pub const RESERVED_NAMES: [&str; 10] = [
    "crash",
    "error",
    "init",
    "interrupt",
    "iommu",
    "kernel",
    "pci",
    "redleaf",
    "starve",
    "warning",
];

/// Whether a domain can be called so: 1 to 31 letters, digits, `-`, `_` and `.` of ASCII,
/// and none of [`RESERVED_NAMES`].
#[must_use]
pub fn is_domain_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=31).contains(&name.len()) && name.bytes().all(is_part) && !RESERVED_NAMES.contains(&name)
}

/// FNV-1a, 64 bit: the hash of fingerprints.
#[must_use]
pub const fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < bytes.len() {
        hash ^= bytes[index] as u64;
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}

/// Folds the fingerprint of something named into that of what names it.
#[must_use]
pub const fn combine(fingerprint: u64, named: u64) -> u64 {
    let mixed = fingerprint.rotate_left(5) ^ named;
    mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
