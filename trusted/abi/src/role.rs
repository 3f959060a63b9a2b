//! Roles that images are signed for, and what each role may be given and do.

use crate::grant::GrantKind;
use crate::note::Name;

/// Which image the build signed, as `image_identity` reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct ImageIdentity {
    /// A [`Role`].
    pub role: u32,
    /// Version of the package: major, minor, patch.
    pub version: [u32; 3],
    /// Name of the package.
    pub package: Name,
    /// Name of the image.
    pub name: Name,
}

impl ImageIdentity {
    /// No image's.
    pub const NONE: Self = Self {
        role: 0,
        version: [0; 3],
        package: [0; 32],
        name: [0; 32],
    };
}

/// What an image is, by its signature: the build derives it from where the
/// package lies in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Role {
    /// Starts everything else; the kernel starts it, and nothing else.
    Supervisor = 1,
    /// Works a device.
    Driver = 2,
    /// Serves other domains.
    Service = 3,
    /// Is started by a service, for a user.
    Program = 4,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Supervisor, Self::Driver, Self::Service, Self::Program];

    /// The role with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Supervisor,
            2 => Self::Driver,
            3 => Self::Service,
            4 => Self::Program,
            _ => return None,
        })
    }

    /// Its name, in messages and manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Driver => "driver",
            Self::Service => "service",
            Self::Program => "program",
        }
    }

    /// Whether a domain of this role may be given a capability of this kind.
    #[must_use]
    pub const fn may_have(self, kind: GrantKind) -> bool {
        match kind {
            // What they lead to is its giver's, or the words of a manifest.
            GrantKind::Absent | GrantKind::Proxy | GrantKind::Text | GrantKind::Bytes => true,
            GrantKind::PciFunction | GrantKind::HostFile => matches!(self, Self::Driver),
            GrantKind::Console => matches!(self, Self::Service),
            GrantKind::DomainControl | GrantKind::BootArchive => {
                matches!(self, Self::Supervisor | Self::Service)
            }
        }
    }

    /// Whether a domain of this role that may start domains may start one of the
    /// other.
    #[must_use]
    pub const fn may_start(self, other: Self) -> bool {
        match self {
            Self::Supervisor => !matches!(other, Self::Supervisor),
            Self::Service => matches!(other, Self::Program),
            Self::Driver | Self::Program => false,
        }
    }
}

impl GrantKind {
    /// Its name, in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "nothing",
            Self::Proxy => "proxy",
            Self::Text => "text",
            Self::PciFunction => "PCI function",
            Self::DomainControl => "control over domains",
            Self::Console => "console",
            Self::HostFile => "host file",
            Self::BootArchive => "boot archive",
            Self::Bytes => "bytes",
        }
    }
}
