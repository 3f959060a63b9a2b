//! What untrusted sources may not contain, one line each; and what they may.

use super::check;

#[track_caller]
fn is_refused(text: &str, expected: &str) {
    let found = check(text).unwrap_err();
    assert!(found.message.contains(expected), "{}", found.message);
}

#[track_caller]
fn is_good(text: &str) {
    assert_eq!(check(text), Ok(()), "{text}");
}

#[test]
fn ordinary_code_is_good() {
    is_good("//! Unsafe in a comment: unsafe.\n#![no_std]\n#![forbid(unsafe_code)]\n");
    is_good("#[cfg(test)]\nextern crate std;\nfn a() -> &'static str { \"unsafe extern\" }\n");
    is_good("#[cfg_attr(not(test), no_std)]\n#[derive(Clone)]\nstruct A;\n");
    is_good("#[doc = \"an unsafe thing\"]\n#[posix::main]\nfn main() {}\n");
    is_good("#[path = \"a/b.rs\"]\nmod b;\n#[serde(default = \"zero\")]\nstruct A;\n");
    is_good("fn link(feature: u8) -> u8 { r\"#\"; feature }\n");
}

#[test]
fn unsafe_is_refused_in_any_position() {
    is_refused("fn a() {}\nunsafe fn b() {}\n", "`unsafe` is refused");
    is_refused("macro_rules! m { () => { unsafe { } } }", "`unsafe`");
    is_refused("m!(unsafe)", "`unsafe`");
    is_refused("#[cfg(any())] fn a() { unsafe {} }", "`unsafe`");
    is_refused("#[unsafe(naked)] fn a() {}", "`unsafe`");
    is_refused("fn a(of: *const u8) {}", "`*const`");
    is_refused("fn a(of: * mut u8) {}", "`*mut`");
    is_refused("fn a(of: u8) { b(& raw const of) }", "`&raw`");
    is_refused("fn a(of: &[u8]) { b(of.as_ptr()) }", "`as_ptr`");
    is_refused(
        "#[cfg_attr(all(), unsafe(no_mangle))] fn a() {}",
        "`unsafe`",
    );
    let line = check("\n\n  unsafe").unwrap_err().line;
    assert_eq!(line, 3);
}

#[test]
fn identifiers_that_hide_what_they_are_are_refused() {
    is_refused("#[r#unsafe(no_mangle)] fn a() {}", "`r#unsafe`");
    is_refused("#[repr(C, r#packed)] struct A;", "`r#packed`");
    is_refused("use core::r#include as x;", "`r#include`");
    is_refused("k#unsafe {}", "k#unsafe");
    is_refused("fn ünsafe() {}", "ASCII");
}

#[test]
fn extern_is_for_the_libraries_alone() {
    is_refused("extern crate self as exchange;", "`extern crate self`");
    is_refused("extern crate alloc as core;", "`extern crate alloc`");
    is_refused("extern \"C\" {}", "`extern \"C\" {`");
    is_refused("type F = extern \"C\" fn();", "`extern \"C\" fn`");
    is_refused("extern fn a() {}", "`extern fn a`");
    is_refused("m! { extern crate alloc; }", "`extern crate alloc`");
    is_refused(
        "macro_rules! m { ($c:tt) => { extern $c self as core; } }",
        "`extern $ c`",
    );
}

#[test]
fn attributes_are_those_of_the_list() {
    is_refused("#![feature(lang_items)]", "the attribute `feature`");
    is_refused("#[link(name = \"a\")]", "the attribute `link`");
    is_refused("#[lang = \"sized\"]", "the attribute `lang`");
    is_refused("#[target_feature(enable = \"avx\")]", "`target_feature`");
    is_refused("#[::core::prelude::v1::test_case]", "the attribute `core`");
    is_refused(
        "#[cfg_attr(all(), doc = \"a\", link(name = \"b\"))]",
        "`link`",
    );
    is_refused("#[cfg_attr(a, cfg_attr(b, used))]", "the attribute `used`");
    is_refused("macro_rules! m { ($m:meta) => { #[$m] fn a() {} } }", "`$`");
    is_refused("macro_rules! m { ($m:tt) => { # $m fn a() {} } }", "`#`");
    is_refused(
        "use core::prelude::v1::global_allocator as test;",
        "`global_allocator`",
    );
    is_refused("#[panic_handler] fn a() {}", "`panic_handler`");
}

#[test]
fn text_that_becomes_code_is_read_as_code() {
    is_refused(
        "#[serde(bound = \"[(); { unsafe { 0 } }]: A\")]",
        "`unsafe`",
    );
    is_refused("#[serde(default = \"uns\\x61fe\")]", "an escape");
    is_refused("#[serde(with = r#\"asm\"#)]", "`asm`");
}

#[test]
fn other_files_are_no_modules() {
    is_refused("include!(\"/tmp/a.rs\");", "`include`");
    is_refused("use core::include as i;", "`include`");
    is_refused("#[path = \"a.txt\"] mod a;", "the path of a module");
    is_refused("#[path = \"/tmp/a.rs\"] mod a;", "the path of a module");
    is_refused("#[path = concat!(\"a\")] mod a;", "the path of a module");
}

#[test]
fn what_the_compiler_skips_is_not_skipped() {
    is_refused("#!\"\nunsafe {}\n//\"", "begins with");
    is_refused("\u{feff}fn a() {}", "begins with");
    is_refused("#!/usr/bin/rust\n", "begins with");
}

#[test]
fn a_string_does_not_end_where_it_seems_to() {
    is_good("const A: &str = \"\\\" unsafe\";");
    is_refused("const A: char = '\"'; unsafe {} //\"", "`unsafe`");
    is_refused("const A: &str = r#\"\"#; unsafe {} //\"", "`unsafe`");
    is_refused("/* /* */ \" */ unsafe {} //\"", "`unsafe`");
    is_refused("fn a<'b>() { unsafe {} }", "`unsafe`");
}
