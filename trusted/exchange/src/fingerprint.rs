//! Fingerprints of types and interfaces, through all that they name.
//!
//! A type is described by what the compiler made of it ([`Definition`]): names, sizes,
//! alignments, offsets and discriminants, not tokens, which mean something else where
//! a constant or an alias that they name does.
//!
//! An interface that hands out proxies of another is compatible with an older
//! image only if that other one is, too; and interfaces may name each other in
//! circles. So each has a static record of itself and of what it names, linked
//! by address, and the fingerprint is computed by walking the records.

use abi::note::{combine, hash};

/// Most interfaces one type may name.
const MAX_NAMED: usize = 8;
/// Most interfaces that hang together.
const MAX_REACHED: usize = 64;

/// Hash of a definition, part by part.
#[derive(Clone, Copy)]
pub struct Definition(u64);

impl Definition {
    /// A definition of this kind (`struct`, `enum` with its representation,
    /// `interface`) and name.
    #[must_use]
    pub const fn new(kind: &str, name: &str) -> Self {
        Self(hash(kind.as_bytes())).number(hash(name.as_bytes()))
    }

    /// What is true of all of it or of the part last named: a size, an alignment, an
    /// offset, the fingerprint of a type.
    #[must_use]
    pub const fn number(self, number: u64) -> Self {
        Self(combine(self.0, number))
    }

    /// A field, a method or an argument: what it is, and its name.
    #[must_use]
    pub const fn part(self, kind: &str, name: &str) -> Self {
        self.number(hash(kind.as_bytes()))
            .number(hash(name.as_bytes()))
    }

    /// A variant: its name and its discriminant.
    #[must_use]
    pub const fn variant(self, name: &str, discriminant: i128) -> Self {
        let [low, high] = [discriminant as u64, (discriminant >> 64) as u64];
        self.part("variant", name).number(low).number(high)
    }

    /// The hash.
    #[must_use]
    pub const fn fingerprint(self) -> u64 {
        self.0
    }
}

/// One interface: its own definition and what it names.
pub struct InterfaceRecord {
    /// Where it is defined. It tells interfaces of equal definition apart, and is no
    /// part of a fingerprint.
    place: u64,
    own: u64,
    named: &'static [&'static InterfaceList],
}

impl InterfaceRecord {
    /// A record; `place` is where the trait is defined, and `own` the hash of the
    /// trait and of the types it names, apart from the interfaces inside these.
    #[must_use]
    pub const fn new(place: &str, own: u64, named: &'static [&'static InterfaceList]) -> Self {
        let place = combine(hash(place.as_bytes()), own);
        Self { place, own, named }
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
/// interfaces that can be reached through it. Where one is named that was met before,
/// it counts which: two of equal definition stay apart.
///
/// # Panics
/// At compile time, when those are more than 64.
#[must_use]
pub const fn of_interface(interface: InterfaceLink) -> u64 {
    let mut reached = Reached {
        places: [0; MAX_REACHED],
        count: 0,
        fingerprint: hash(b"interface"),
    };
    reached.visit(interface);
    reached.fingerprint
}

struct Reached {
    places: [u64; MAX_REACHED],
    count: usize,
    fingerprint: u64,
}

impl Reached {
    const fn add(&mut self, number: u64) {
        self.fingerprint = combine(self.fingerprint, number);
    }

    const fn visit(&mut self, interface: InterfaceLink) {
        let record = interface.record();
        let mut index = 0;
        while index < self.count {
            if self.places[index] == record.place {
                self.add(index as u64);
                return;
            }
            index += 1;
        }
        assert!(
            self.count < MAX_REACHED,
            "more than 64 interfaces hang together"
        );
        self.places[self.count] = record.place;
        self.count += 1;
        self.add(record.own);
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
