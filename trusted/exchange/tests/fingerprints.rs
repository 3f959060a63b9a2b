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

/// Fingerprints of definitions with the same tokens, where other names mean other
/// things: a length, a discriminant, the type behind an alias, a bit of a size.
macro_rules! meaning {
    ($module:ident, $($named:item)*) => {
        #[allow(dead_code, reason = "types that are described, never made")]
        mod $module {
            use exchange::{Exchangeable, Interface, Proxy, RpcResult, interface};

            $($named)*

            #[derive(Exchangeable, Clone, Copy)]
            #[repr(C)]
            pub struct Array {
                bytes: [u8; LENGTH],
            }

            #[derive(Exchangeable, Clone, Copy)]
            #[repr(i64)]
            pub enum Number {
                First = FIRST,
                Second,
                Third = Size::LAST as i64,
            }

            #[derive(Exchangeable, Clone, Copy)]
            #[repr(C, u16)]
            pub enum Choice {
                Nothing,
                Inner { it: Word } = FIRST as u16 + 9,
                Array(Array),
            }

            #[derive(Exchangeable, Clone, Copy)]
            #[repr(C)]
            pub struct Alias {
                it: Word,
            }

            #[interface]
            pub trait Lends {
                fn by_alias(&self, words: &[Word]) -> RpcResult<()>;
            }

            #[interface]
            pub trait Leads {
                fn on(&self, choice: Choice) -> RpcResult<Proxy<dyn Lends>>;
            }

            pub fn all() -> [u64; 6] {
                [
                    Array::FINGERPRINT,
                    Number::FINGERPRINT,
                    Choice::FINGERPRINT,
                    Alias::FINGERPRINT,
                    <dyn Lends>::FINGERPRINT,
                    <dyn Leads>::FINGERPRINT,
                ]
            }
        }
    };
}

macro_rules! meanings {
    ($($module:ident: $length:expr, $first:expr, $last:expr, $word:ty;)*) => {$(
        meaning!($module,
            pub const LENGTH: usize = $length;
            pub const FIRST: i64 = $first;
            pub struct Size;
            impl Size {
                pub const LAST: u8 = $last;
            }
            pub type Word = $word;
        );
    )*};
}

meanings! {
    first: 8, 1, 100, u64;
    again: 4 + 4, 1, 99 + 1, u64;
    longer: 9, 1, 100, u64;
    shifted: 8, 2, 100, u64;
    last: 8, 1, 101, u64;
    signed: 8, 1, 100, i64;
    halves: 8, 1, 100, [u32; 2];
}

#[test]
fn the_same_tokens_with_other_constants_differ() {
    const ARRAY: usize = 0;
    const NUMBER: usize = 1;
    const CHOICE: usize = 2;
    const ALIAS: usize = 3;
    const LENDS: usize = 4;
    const LEADS: usize = 5;
    let first = first::all();
    assert_eq!(first, again::all());
    let differ = [
        (longer::all(), vec![ARRAY, CHOICE, LEADS]),
        (shifted::all(), vec![NUMBER, CHOICE, LEADS]),
        (last::all(), vec![NUMBER]),
        (signed::all(), vec![CHOICE, ALIAS, LENDS, LEADS]),
        (halves::all(), vec![CHOICE, ALIAS, LENDS, LEADS]),
    ];
    for (other, expected) in differ {
        let found: Vec<usize> = (0..6).filter(|&at| first[at] != other[at]).collect();
        assert_eq!(found, expected);
    }
}

/// One definition each that differs from the first in a single respect.
macro_rules! variants {
    ($($module:ident { $($item:tt)* })*) => {
        $(
            #[allow(dead_code, reason = "types that are described, never made")]
            mod $module {
                use exchange::Exchangeable;
                #[derive(Exchangeable, Clone, Copy)]
                $($item)*
            }
        )*
        const VARIANTS: &[(&str, u64)] = &[
            $((stringify!($module), <$module::Type as Exchangeable>::FINGERPRINT)),*
        ];
    };
}

variants! {
    base { #[repr(C)] pub struct Type { a: u8, b: u32 } }
    field_name { #[repr(C)] pub struct Type { a: u8, c: u32 } }
    field_order { #[repr(C)] pub struct Type { b: u32, a: u8 } }
    alignment { #[repr(C, align(16))] pub struct Type { a: u8, b: u32 } }
    field_type { #[repr(C)] pub struct Type { a: u8, b: i32 } }
    unnamed { #[repr(C)] pub struct Type(u8, u32); }
    another { #[repr(C)] pub struct Type { a: u8, b: u32, c: () } }
    choice { #[repr(u8)] pub enum Type { A, B } }
    choice_width { #[repr(u16)] pub enum Type { A, B } }
    choice_sign { #[repr(i8)] pub enum Type { A, B } }
    choice_names { #[repr(u8)] pub enum Type { B, A } }
    choice_numbers { #[repr(u8)] pub enum Type { A = 1, B } }
    choice_crossed { #[repr(u8)] pub enum Type { A = 1, B = 0 } }
    choice_more { #[repr(u8)] pub enum Type { A, B, C } }
    choice_field { #[repr(u8)] pub enum Type { A(u8), B } }
    choice_fields { #[repr(u8)] pub enum Type { A, B(u8) } }
    choice_named { #[repr(u8)] pub enum Type { A, B { b: u8 } } }
    choice_c { #[repr(C, u8)] pub enum Type { A, B { b: u8 } } }
    choice_far { #[repr(u64)] pub enum Type { A = 0x8000_0000_0000_0000, B } }
    choice_near { #[repr(u64)] pub enum Type { A = 0x8000_0000_0000_0001, B } }
}

#[test]
fn definitions_that_differ_in_one_respect_differ() {
    let mut seen = std::collections::HashMap::new();
    for &(name, fingerprint) in VARIANTS {
        let before = seen.insert(fingerprint, name);
        assert_eq!(before, None, "{name} has the same fingerprint");
    }
}

mod twins {
    //! Two interfaces of one name and definition, in two places.
    pub mod one {
        use exchange::{RpcResult, interface};
        #[interface]
        pub trait Twin {
            fn work(&self) -> RpcResult<u64>;
        }
    }
    pub mod other {
        use exchange::{RpcResult, interface};
        #[interface]
        pub trait Twin {
            fn work(&self) -> RpcResult<u64>;
        }
    }
    macro_rules! hands_out {
        ($module:ident: $third:ident) => {
            pub mod $module {
                use exchange::{Proxy, RpcResult, interface};
                #[interface]
                pub trait Gives {
                    fn first(&self) -> RpcResult<Proxy<dyn super::one::Twin>>;
                    fn second(&self) -> RpcResult<Proxy<dyn super::other::Twin>>;
                    fn third(&self) -> RpcResult<Proxy<dyn super::$third::Twin>>;
                }
            }
        };
    }
    hands_out!(a: one);
    hands_out!(b: other);
}

#[test]
fn interfaces_of_one_name_and_definition_are_not_mixed_up() {
    assert_ne!(
        <dyn twins::a::Gives>::FINGERPRINT,
        <dyn twins::b::Gives>::FINGERPRINT
    );
}
