//! The tool as cargo's compiler wrapper: `unsafe` is refused whatever is said.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Builds a package of one file and a module in this room of a tree, the tool
/// standing in front of the compiler; the compiler's messages if it fails.
fn build(room: &str, module: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        &format!("[workspace]\nmembers = [\"{room}/guest\"]\n"),
    );
    let manifest = "[package]\nname = \"guest\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    write(&format!("{room}/guest/Cargo.toml"), manifest);
    write(&format!("{room}/guest/src/lib.rs"), "pub mod module;\n");
    write(&format!("{room}/guest/src/module.rs"), module);
    cargo_build(root)
}

fn cargo_build(root: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--offline"])
        .current_dir(root)
        .env(
            "RUSTC_WORKSPACE_WRAPPER",
            env!("CARGO_BIN_EXE_redleaf-tool"),
        )
        .env("REDLEAF_WRAPPER_ROOT", fs::canonicalize(root).unwrap())
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(messages)
}

const SAFE: &str = "pub fn one() -> u8 {\n    1\n}\n";
const UNSAFE: &str = "pub fn read(at: *const u8) -> u8 {\n    unsafe { *at }\n}\n";

#[test]
fn safe_code_is_built_everywhere() {
    for room in ["domains", "kernel"] {
        assert_eq!(build(room, SAFE), Ok(()));
    }
}

#[test]
fn unsafe_code_is_refused_outside_of_kernel_and_trusted() {
    assert_eq!(build("trusted", UNSAFE), Ok(()));
    for room in ["domains", "programs", "lib", "interfaces", "tests"] {
        let messages = build(room, UNSAFE).unwrap_err();
        assert!(
            messages.contains("usage of an `unsafe` block"),
            "{messages}"
        );
        assert!(messages.contains("module.rs:2:5"), "{messages}");
    }
}

#[test]
fn an_attribute_in_the_source_does_not_allow_it() {
    let allowed = format!("#![allow(unsafe_code)]\n{UNSAFE}");
    let messages = build("domains", &allowed).unwrap_err();
    assert!(messages.contains("unsafe_code"), "{messages}");
    let function = "#[allow(unsafe_code)]\npub unsafe fn f() {}\n";
    assert!(build("domains", function).is_err());
}
