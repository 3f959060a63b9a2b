//! The note in which an image says what it is, wants and provides.
//!
//! It is `abi::DomainNote` as bytes. This crate stands below `trusted/` and
//! cannot import that type: whoever changes one changes the other. Today no test
//! compares them.

use crate::ImageError;
use crate::layout::parse_header;

/// Section that holds the note.
pub const NOTE_SECTION: &str = ".redleaf.domain";

/// Most parameters a note describes.
pub const MAX_PARAMETERS: usize = 12;

const MAGIC: [u8; 8] = *b"RLDOMN01";

/// Offsets of the fields of `abi::DomainNote`.
mod field {
    pub const ABI_VERSION: usize = 8;
    pub const PARAMETER_COUNT: usize = 12;
    pub const NAME: usize = 16;
    pub const COMPILER: usize = 48;
    pub const PROVIDES: usize = 56;
    pub const PROVIDES_NAME: usize = 64;
    pub const PARAMETERS: usize = 96;
    pub const SIZE: usize = PARAMETERS + super::MAX_PARAMETERS * super::parameter::SIZE;
}

/// Offsets of the fields of `abi::ParameterNote`.
mod parameter {
    pub const NAME: usize = 0;
    pub const KIND: usize = 32;
    pub const OPTIONAL: usize = 36;
    pub const FINGERPRINT: usize = 40;
    pub const INTERFACE: usize = 48;
    pub const SIZE: usize = 80;
}

/// What an image says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Note<'a> {
    /// Version of the kernel's interface it was built for.
    pub abi_version: u32,
    /// Name of the domain function.
    pub name: &'a str,
    /// Hash of the compiler's version.
    pub compiler: u64,
    /// Fingerprint of the interface it provides; 0: none.
    pub provides: u64,
    /// Name of the interface it provides; empty: none.
    pub provides_name: &'a str,
    parameters: &'a [[u8; parameter::SIZE]],
}

/// A parameter of the domain function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name, the key in the system manifest.
    pub name: &'a str,
    /// Number of an `abi::GrantKind`.
    pub kind: u32,
    /// Whether the manifest may leave it out.
    pub is_optional: bool,
    /// Fingerprint of the interface, for a proxy; else 0.
    pub fingerprint: u64,
    /// Name of the interface, for a proxy; else empty.
    pub interface: &'a str,
}

impl<'a> Note<'a> {
    /// Finds and checks the note of an ELF file.
    ///
    /// # Errors
    /// [`ImageError::NotElf`], [`ImageError::NoNote`] or [`ImageError::BadNote`].
    pub fn parse(elf: &'a [u8]) -> Result<Self, ImageError> {
        let file = parse_header(elf)?;
        let section = file
            .section_header_by_name(NOTE_SECTION)
            .map_err(|_| ImageError::NotElf)?
            .ok_or(ImageError::NoNote)?;
        let (bytes, _) = file
            .section_data(&section)
            .map_err(|_| ImageError::BadNote)?;
        Self::from_bytes(bytes)
    }

    /// Reads a note from the bytes of an `abi::DomainNote`.
    ///
    /// # Errors
    /// [`ImageError::BadNote`] if it is not one.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let bytes = bytes.get(..field::SIZE).ok_or(ImageError::BadNote)?;
        let count = read_u32(bytes, field::PARAMETER_COUNT)? as usize;
        let parameters = bytes
            .get(field::PARAMETERS..)
            .ok_or(ImageError::BadNote)?
            .as_chunks::<{ parameter::SIZE }>()
            .0
            .get(..count)
            .ok_or(ImageError::BadNote)?;
        if !bytes.starts_with(&MAGIC) {
            return Err(ImageError::BadNote);
        }
        for bytes in parameters {
            parse_parameter(bytes)?;
        }
        Ok(Self {
            abi_version: read_u32(bytes, field::ABI_VERSION)?,
            name: read_name(bytes, field::NAME)?,
            compiler: read_u64(bytes, field::COMPILER)?,
            provides: read_u64(bytes, field::PROVIDES)?,
            provides_name: read_name(bytes, field::PROVIDES_NAME)?,
            parameters,
        })
    }

    /// Checks that the image was built for this kernel.
    ///
    /// # Errors
    /// [`ImageError::AbiMismatch`] or [`ImageError::CompilerMismatch`].
    pub const fn check_build(&self, abi_version: u32, compiler: u64) -> Result<(), ImageError> {
        if self.abi_version != abi_version {
            return Err(ImageError::AbiMismatch {
                expected: abi_version,
                found: self.abi_version,
            });
        }
        if self.compiler != compiler {
            return Err(ImageError::CompilerMismatch);
        }
        Ok(())
    }

    /// The parameters in order.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter<'a>> + use<'a> {
        // `from_bytes` has parsed each of them.
        self.parameters
            .iter()
            .filter_map(|bytes| parse_parameter(bytes).ok())
    }
}

fn parse_parameter(bytes: &[u8; parameter::SIZE]) -> Result<Parameter<'_>, ImageError> {
    Ok(Parameter {
        name: read_name(bytes, parameter::NAME)?,
        kind: read_u32(bytes, parameter::KIND)?,
        is_optional: read_u32(bytes, parameter::OPTIONAL)? != 0,
        fingerprint: read_u64(bytes, parameter::FINGERPRINT)?,
        interface: read_name(bytes, parameter::INTERFACE)?,
    })
}

fn read_u32(bytes: &[u8], offset: usize) -> Result<u32, ImageError> {
    let field = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    field.map_or(Err(ImageError::BadNote), |field| {
        Ok(u32::from_le_bytes(*field))
    })
}

fn read_u64(bytes: &[u8], offset: usize) -> Result<u64, ImageError> {
    let field = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    field.map_or(Err(ImageError::BadNote), |field| {
        Ok(u64::from_le_bytes(*field))
    })
}

/// Reads a zero-padded name of 32 bytes.
fn read_name(bytes: &[u8], offset: usize) -> Result<&str, ImageError> {
    let field = bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk::<32>())
        .ok_or(ImageError::BadNote)?;
    let length = field
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(field.len());
    let name = field.get(..length).ok_or(ImageError::BadNote)?;
    core::str::from_utf8(name).map_err(|_| ImageError::BadNote)
}
