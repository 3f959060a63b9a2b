//! Fingerprints of interfaces, through all the interfaces they name.
//!
//! An interface that hands out proxies of another is compatible with an older
//! image only if that other one is, too; and interfaces may name each other in
//! circles. So each has a static record of itself and of what it names, linked
//! by address, and the fingerprint is computed by walking the records.

/// Most interfaces one type may name.
const MAX_NAMED: usize = 8;
/// Most interfaces that hang together.
const MAX_REACHED: usize = 64;

/// One interface: its own definition and what it names.
pub struct InterfaceRecord {
    own: u64,
    named: &'static [&'static InterfaceList],
}

impl InterfaceRecord {
    /// A record; `own` is the hash of the trait and of the types it names,
    /// apart from the interfaces inside these.
    #[must_use]
    pub const fn new(own: u64, named: &'static [&'static InterfaceList]) -> Self {
        Self { own, named }
    }
}

/// Address of an [`InterfaceRecord`] that lives for ever.
///
/// No reference: the compiler would look behind it while it evaluates the
/// record, which may lead it in a circle.
#[derive(Clone, Copy)]
pub struct InterfaceLink(*const InterfaceRecord);

// SAFETY: it refers to an immutable static.
unsafe impl Send for InterfaceLink {}
// SAFETY: as above.
unsafe impl Sync for InterfaceLink {}

impl InterfaceLink {
    /// The link to a record.
    ///
    /// # Safety
    /// `record` is the address of a static.
    #[must_use]
    pub const unsafe fn new(record: *const InterfaceRecord) -> Self {
        Self(record)
    }

    const fn record(self) -> &'static InterfaceRecord {
        // SAFETY: the address of a static, as `new` was promised.
        unsafe { &*self.0 }
    }
}

/// Interfaces that a type names, in the order of its fields.
#[derive(Clone, Copy)]
pub struct InterfaceList {
    links: [Option<InterfaceLink>; MAX_NAMED],
    count: usize,
}

impl InterfaceList {
    /// No interfaces.
    pub const NONE: Self = Self {
        links: [None; MAX_NAMED],
        count: 0,
    };

    /// One interface.
    #[must_use]
    pub const fn one(link: InterfaceLink) -> Self {
        let mut list = Self::NONE;
        list.links[0] = Some(link);
        list.count = 1;
        list
    }

    /// These and those of a part.
    ///
    /// # Panics
    /// At compile time, when there are more than 8.
    #[must_use]
    pub const fn and(mut self, part: &Self) -> Self {
        let mut index = 0;
        while index < part.count {
            assert!(
                self.count < MAX_NAMED,
                "a type names at most 8 interfaces; split it"
            );
            self.links[self.count] = part.links[index];
            self.count += 1;
            index += 1;
        }
        self
    }
}

/// Fingerprint of an interface: of its own definition and of those of all the
/// interfaces that can be reached through it.
///
/// # Panics
/// At compile time, when those are more than 64.
#[must_use]
pub const fn of_interface(interface: InterfaceLink) -> u64 {
    let mut reached = Reached {
        own: [0; MAX_REACHED],
        count: 0,
    };
    reached.visit(interface);
    let mut fingerprint = abi::note::hash(b"interface");
    let mut index = 0;
    while index < reached.count {
        fingerprint = abi::note::combine(fingerprint, reached.own[index]);
        index += 1;
    }
    fingerprint
}

struct Reached {
    own: [u64; MAX_REACHED],
    count: usize,
}

impl Reached {
    const fn visit(&mut self, interface: InterfaceLink) {
        let record = interface.record();
        let mut index = 0;
        while index < self.count {
            if self.own[index] == record.own {
                return;
            }
            index += 1;
        }
        assert!(
            self.count < MAX_REACHED,
            "more than 64 interfaces hang together"
        );
        self.own[self.count] = record.own;
        self.count += 1;
        let mut list = 0;
        while list < record.named.len() {
            let mut link = 0;
            while link < record.named[list].count {
                if let Some(interface) = record.named[list].links[link] {
                    self.visit(interface);
                }
                link += 1;
            }
            list += 1;
        }
    }
}
