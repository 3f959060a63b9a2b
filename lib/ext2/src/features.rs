//! Feature bits of the superblock: what is understood, and names for the rest.

use core::fmt;

/// Blocks behind the group descriptors are kept for more of them.
pub(crate) const COMPAT_RESIZE_INODE: u32 = 0x10;

/// Directory records carry the type of what they name.
pub(crate) const INCOMPAT_FILETYPE: u32 = 0x2;
const INCOMPAT_SUPPORTED: u32 = INCOMPAT_FILETYPE;

/// Superblock copies only in groups 0, 1 and powers of 3, 5 and 7.
pub(crate) const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
/// Some file is 2 GiB or larger.
pub(crate) const RO_COMPAT_LARGE_FILE: u32 = 0x2;
const RO_COMPAT_SUPPORTED: u32 = RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE;

const INCOMPAT_NAMES: &[(u32, &str)] = &[
    (0x1, "compression"),
    (0x4, "needs_recovery"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x40, "extent"),
    (0x80, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x1_0000, "encrypt"),
    (0x2_0000, "casefold"),
];

const RO_COMPAT_NAMES: &[(u32, &str)] = &[
    (0x4, "btree_dir"),
    (0x8, "huge_file"),
    (0x10, "uninit_bg"),
    (0x20, "dir_nlink"),
    (0x40, "extra_isize"),
    (0x80, "has_snapshot"),
    (0x100, "quota"),
    (0x200, "bigalloc"),
    (0x400, "metadata_csum"),
    (0x800, "replica"),
    (0x1000, "read-only"),
    (0x2000, "project"),
    (0x4000, "shared_blocks"),
    (0x8000, "verity"),
    (0x1_0000, "orphan_present"),
];

/// A set of feature bits this library does not support; displays their names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnsupportedFeatures {
    bits: u32,
    names: &'static [(u32, &'static str)],
}

impl UnsupportedFeatures {
    /// Those of `bits` (`s_feature_incompat`) that forbid reading, if any.
    pub(crate) fn for_reading(bits: u32) -> Option<Self> {
        Self::remaining(bits & !INCOMPAT_SUPPORTED, INCOMPAT_NAMES)
    }

    /// Those of `bits` (`s_feature_ro_compat`) that forbid writing, if any.
    pub(crate) fn for_writing(bits: u32) -> Option<Self> {
        Self::remaining(bits & !RO_COMPAT_SUPPORTED, RO_COMPAT_NAMES)
    }

    fn remaining(bits: u32, names: &'static [(u32, &'static str)]) -> Option<Self> {
        (bits != 0).then_some(Self { bits, names })
    }

    /// The bits themselves, as they stand in the superblock.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The names, as `mke2fs -O` spells them, of the bits that have one.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.names
            .iter()
            .filter(|(bit, _)| self.bits & bit != 0)
            .map(|(_, name)| *name)
    }
}

impl fmt::Display for UnsupportedFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for name in self.names() {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        let named = self.names.iter().fold(0, |all, (bit, _)| all | bit);
        match self.bits & !named {
            0 => Ok(()),
            unnamed => write!(f, "{separator}bits {unnamed:#x}"),
        }
    }
}

impl fmt::Debug for UnsupportedFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnsupportedFeatures({self})")
    }
}
