//! Which image a signature is for: its role, version, package and name.

use core::fmt;

use crate::ImageError;

/// Bytes of an identity in a file: role (4), version (3 × 4), names (2 × 32).
pub const IDENTITY_SIZE: usize = 80;

/// Bytes of a name in a file, zero-padded.
const NAME_SIZE: usize = 32;

/// Whose image the build signed. The ELF file says none of it, so that no
/// source code can: all of it follows from where the package lies in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Number of an `abi::role::Role`.
    pub role: u32,
    /// Version of the package.
    pub version: Version,
    /// Name of the package.
    pub package: &'a str,
    /// Name of the image: that of the package's binary.
    pub name: &'a str,
}

/// Version of a package; later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u32; 3]);

impl Version {
    /// Reads `MAJOR.MINOR.PATCH`; what follows a `-` or `+` is left out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split(['-', '+']).next()?;
        let mut numbers = numbers.split('.').map(|number| number.parse().ok());
        let version = [numbers.next()??, numbers.next()??, numbers.next()??];
        numbers.next().is_none().then_some(Self(version))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl<'a> Identity<'a> {
    /// As bytes of a file.
    pub(crate) fn emit(&self) -> Result<[u8; IDENTITY_SIZE], ImageError> {
        let mut bytes = [0; IDENTITY_SIZE];
        let [major, minor, patch] = self.version.0;
        let (numbers, names) = bytes.split_at_mut(IDENTITY_SIZE - 2 * NAME_SIZE);
        let fields = [self.role, major, minor, patch];
        for (place, field) in numbers.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        for (place, name) in names
            .chunks_exact_mut(NAME_SIZE)
            .zip([self.package, self.name])
        {
            if name.is_empty() || name.len() >= NAME_SIZE || name.contains('\0') {
                return Err(ImageError::BadIdentity);
            }
            let place = place.get_mut(..name.len());
            place
                .ok_or(ImageError::BadIdentity)?
                .copy_from_slice(name.as_bytes());
        }
        Ok(bytes)
    }

    /// From bytes of a file.
    pub(crate) fn parse(bytes: &'a [u8; IDENTITY_SIZE]) -> Result<Self, ImageError> {
        let (numbers, names) = bytes.split_at(IDENTITY_SIZE - 2 * NAME_SIZE);
        let mut numbers = numbers.as_chunks::<4>().0.iter();
        let mut number = || -> Result<u32, ImageError> {
            let number = numbers.next().ok_or(ImageError::BadIdentity)?;
            Ok(u32::from_le_bytes(*number))
        };
        let role = number()?;
        let version = Version([number()?, number()?, number()?]);
        let mut names = names.chunks_exact(NAME_SIZE).map(read_name);
        let mut name = || names.next().flatten().ok_or(ImageError::BadIdentity);
        Ok(Self {
            role,
            version,
            package: name()?,
            name: name()?,
        })
    }
}

/// A zero-padded name, which is not empty and ends before the field does.
fn read_name(field: &[u8]) -> Option<&str> {
    let length = field.iter().position(|byte| *byte == 0)?;
    let (name, padding) = field.split_at_checked(length)?;
    let is_padded = length > 0 && padding.iter().all(|byte| *byte == 0);
    core::str::from_utf8(name).ok().filter(|_| is_padded)
}
