//! Protection keys as a hardened kernel uses them (Intel SDM volume 3A, section
//! 4.6.2): which key memory carries, and which keys code may reach.
//!
//! A processor has 16 keys. Each writable page carries one, and each CPU has a
//! register of rights, PKRU: two bits for each key, access-disable and
//! write-disable. Rights of a domain follow from its slot, so they never change.

/// What any domain may write: exchange objects, stacks, counters.
pub const OPEN: u8 = 0;

/// What any domain may read and the kernel alone may write.
pub const KERNEL: u8 = 1;

/// First key of a group of domains; groups share the rest.
const FIRST_GROUP: u8 = 2;

/// Keys there are.
const KEYS: u8 = 16;

/// Access-disable and write-disable of key 0.
const NO_ACCESS: u32 = 1;
const NO_WRITE: u32 = 2;

/// Rights to everything: the kernel's.
pub const ALL_RIGHTS: u32 = 0;

/// Key of the private memory of the domain in slot `index`; slot 0 is the kernel's.
#[must_use]
pub const fn key_of(index: u32) -> u8 {
    if index == 0 {
        return KERNEL;
    }
    let group = (index - 1) % (KEYS - FIRST_GROUP) as u32;
    FIRST_GROUP + group as u8
}

/// Rights of the domain in slot `index`, for PKRU. The rights of a call are those of
/// all domains whose calls are under way: what one lends to another is reached.
#[must_use]
pub const fn rights_of(index: u32) -> u32 {
    if index == 0 {
        return ALL_RIGHTS;
    }
    let own = key_of(index);
    let mut rights = NO_WRITE << (2 * KERNEL);
    let mut key = FIRST_GROUP;
    while key < KEYS {
        if key != own {
            rights |= NO_ACCESS << (2 * key);
        }
        key += 1;
    }
    rights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_read(rights: u32, key: u8) -> bool {
        rights >> (2 * key) & NO_ACCESS == 0
    }

    fn may_write(rights: u32, key: u8) -> bool {
        may_read(rights, key) && rights >> (2 * key) & NO_WRITE == 0
    }

    #[test]
    fn a_domain_writes_its_own_and_what_is_open() {
        for index in 1..100 {
            let (own, rights) = (key_of(index), rights_of(index));
            assert!((FIRST_GROUP..KEYS).contains(&own));
            assert_ne!(rights, ALL_RIGHTS);
            for key in 0..KEYS {
                assert_eq!(may_write(rights, key), key == own || key == OPEN, "{key}");
                let reads = key == own || key < FIRST_GROUP;
                assert_eq!(may_read(rights, key), reads, "{key}");
            }
        }
    }

    #[test]
    fn neighbours_have_different_keys_and_the_kernel_all_rights() {
        for index in 2..15 {
            assert_eq!(key_of(index), key_of(index - 1) + 1);
        }
        assert_eq!(key_of(15), key_of(1));
        assert_eq!(key_of(0), KERNEL);
        assert_eq!(rights_of(0), ALL_RIGHTS);
    }

    #[test]
    fn a_callee_reaches_what_its_callers_reach() {
        let both = rights_of(3) & rights_of(4);
        for key in [key_of(3), key_of(4), OPEN] {
            assert!(may_write(both, key));
        }
        assert!(!may_read(both, key_of(5)) && !may_write(both, KERNEL));
    }
}
