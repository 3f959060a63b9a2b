//! Why bytes are not an image that may run.

use core::fmt;

/// First bytes of a public key: enough to tell who signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    pub(crate) fn of(key: &[u8; 32]) -> Self {
        let (id, _) = key.split_first_chunk().expect("a key is longer than 8");
        Self(*id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a signature does not hold; the text is what the file is or does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// The file has no signature.
    Unsigned,
    /// The file is shorter than it says it is.
    Truncated {
        /// Bytes the file says it has.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// It is not what was signed, nor does it pretend to be.
    Damaged,
    /// It says that another key signed it.
    ForeignKey {
        /// The build's key.
        expected: KeyId,
        /// The key that the file names.
        found: KeyId,
    },
    /// The signature is not one of these bytes by the build's key, although the
    /// file says so and its checksum is right.
    Mismatch,
    /// The build signed it, but as something else: an image is no boot archive.
    OtherKind,
    /// The public key is not a key.
    BadKey,
    /// It was not looked at to its end, as it was no more wanted.
    BrokenOff,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unsigned => f.write_str("is not signed"),
            Self::Truncated { expected, found } => {
                write!(f, "is cut off: {found} of {expected} bytes")
            }
            Self::Damaged => f.write_str("is damaged: its contents have another checksum"),
            Self::ForeignKey { expected, found } => write!(
                f,
                "is signed by another build: key {found}, expected {expected}"
            ),
            Self::Mismatch => {
                f.write_str("is forged: its checksum is right, but this build did not sign it")
            }
            Self::OtherKind => f.write_str("is signed, but as a file of another kind"),
            Self::BadKey => f.write_str("cannot be checked: the public key is no Ed25519 key"),
            Self::BrokenOff => f.write_str("was not checked to its end"),
        }
    }
}

impl core::error::Error for SignatureError {}

/// Why an image is refused; the text says which check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// Its signature does not hold.
    Signature(SignatureError),
    /// What the signature says of it makes no sense.
    BadIdentity,
    /// Not an ELF file for this processor, or its tables lead nowhere.
    NotElf,
    /// Not a position-independent executable.
    NotPositionIndependent,
    /// A kind of segment that a domain may not have.
    ForbiddenSegment {
        /// `p_type` of the program header.
        kind: u32,
    },
    /// A segment is writable and executable.
    WritableCode {
        /// Address of the segment in the image.
        address: u64,
    },
    /// Segments are out of order, share a page, or leave the file.
    BadSegment {
        /// Address of the segment in the image.
        address: u64,
    },
    /// More segments or bytes than an image may have.
    TooLarge,
    /// The entry point is not in code.
    BadEntry {
        /// Address of the entry point in the image.
        address: u64,
    },
    /// The dynamic table asks for something a domain may not have.
    ForbiddenDynamicEntry {
        /// `d_tag` of the entry.
        tag: i64,
    },
    /// The relocation table leads nowhere.
    BadRelocationTable,
    /// A relocation that is not `R_X86_64_RELATIVE`.
    ForbiddenRelocation {
        /// Its type.
        kind: u32,
    },
    /// A relocation outside the image's data, or pointing outside the image.
    BadRelocation {
        /// Address it applies to.
        address: u64,
    },
    /// There is no note that describes a domain.
    NoNote,
    /// The note is damaged.
    BadNote,
    /// The image was built for another version of the kernel's interface.
    AbiMismatch {
        /// Version the kernel has.
        expected: u32,
        /// Version of the image.
        found: u32,
    },
    /// The image was built by another compiler.
    CompilerMismatch,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Signature(error) => write!(f, "the image {error}"),
            Self::BadIdentity => f.write_str("the image's role, version or name makes no sense"),
            Self::NotElf => f.write_str("not an x86-64 ELF file"),
            Self::NotPositionIndependent => f.write_str("not a position-independent executable"),
            Self::ForbiddenSegment { kind } => {
                write!(f, "segment of kind {kind:#x}, which a domain may not have")
            }
            Self::WritableCode { address } => {
                write!(
                    f,
                    "the segment at {address:#x} is both writable and executable"
                )
            }
            Self::BadSegment { address } => {
                write!(
                    f,
                    "the segment at {address:#x} overlaps another or leaves the file"
                )
            }
            Self::TooLarge => f.write_str("more segments or bytes than an image may have"),
            Self::BadEntry { address } => write!(f, "the entry point {address:#x} is not in code"),
            Self::ForbiddenDynamicEntry { tag } => {
                write!(f, "dynamic entry {tag:#x}, which a domain may not have")
            }
            Self::BadRelocationTable => f.write_str("the relocation table leads outside the image"),
            Self::ForbiddenRelocation { kind } => {
                write!(
                    f,
                    "relocation of type {kind}, only R_X86_64_RELATIVE (8) is allowed"
                )
            }
            Self::BadRelocation { address } => {
                write!(f, "the relocation at {address:#x} leaves the image's data")
            }
            Self::NoNote => f.write_str("no note describes the domain (section .redleaf.domain)"),
            Self::BadNote => f.write_str("the note that describes the domain is damaged"),
            Self::AbiMismatch { expected, found } => write!(
                f,
                "built for version {found} of the kernel's interface, this kernel has {expected}"
            ),
            Self::CompilerMismatch => f.write_str("built by another compiler than the kernel"),
        }
    }
}

impl core::error::Error for ImageError {}

impl From<SignatureError> for ImageError {
    fn from(error: SignatureError) -> Self {
        Self::Signature(error)
    }
}
