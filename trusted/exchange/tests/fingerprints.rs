//! Fingerprints tell definitions apart, also those reached through proxies.

use exchange::{Exchangeable, Interface};

/// Three interfaces in a circle; what the last one is like varies.
macro_rules! circle {
    ($module:ident, $method:ident, $field:ty) => {
        // Not `expect`: the compiler calls that unfulfilled, and warns as well.
        #[allow(dead_code, reason = "interfaces that are described, never called")]
        mod $module {
            use exchange::{Exchangeable, Proxy, RpcResult, interface};

            #[derive(Exchangeable)]
            #[repr(C)]
            pub struct Opened {
                file: Option<Proxy<dyn File>>,
            }

            #[derive(Exchangeable, Clone, Copy)]
            #[repr(C)]
            pub struct Status {
                size: $field,
            }

            #[interface]
            pub trait Process {
                fn files(&self) -> RpcResult<Proxy<dyn Files>>;
            }

            #[interface]
            pub trait Files {
                fn open(
                    &self,
                    name: &str,
                    by: Proxy<dyn Process>,
                ) -> RpcResult<Result<Opened, u32>>;
            }

            #[interface]
            pub trait File {
                fn $method(&self, it: &Status) -> RpcResult<Proxy<dyn Files>>;
            }
        }
    };
}

circle!(original, status, u64);
circle!(same, status, u64);
circle!(other_method, state, u64);
circle!(other_type, status, u32);

#[test]
fn equal_definitions_have_equal_fingerprints() {
    assert_eq!(
        <dyn original::Process>::FINGERPRINT,
        <dyn same::Process>::FINGERPRINT
    );
    assert_eq!(original::Opened::FINGERPRINT, same::Opened::FINGERPRINT);
}

#[test]
fn a_change_two_proxies_away_shows() {
    let original = [
        <dyn original::Process>::FINGERPRINT,
        <dyn original::Files>::FINGERPRINT,
        <dyn original::File>::FINGERPRINT,
    ];
    let changed = [
        [
            <dyn other_method::Process>::FINGERPRINT,
            <dyn other_method::Files>::FINGERPRINT,
            <dyn other_method::File>::FINGERPRINT,
        ],
        [
            <dyn other_type::Process>::FINGERPRINT,
            <dyn other_type::Files>::FINGERPRINT,
            <dyn other_type::File>::FINGERPRINT,
        ],
    ];
    for changed in changed {
        for (original, changed) in original.into_iter().zip(changed) {
            assert_ne!(original, changed);
        }
    }
}

#[test]
fn interfaces_in_a_circle_differ_from_each_other() {
    assert_ne!(
        <dyn original::Process>::FINGERPRINT,
        <dyn original::Files>::FINGERPRINT
    );
    assert_ne!(
        <dyn original::Files>::FINGERPRINT,
        <dyn original::File>::FINGERPRINT
    );
}
