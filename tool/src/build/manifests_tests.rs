//! Manifests that are refused, each for the key or value named.

use std::fs;

use tempfile::TempDir;

use super::check;

const ROOT: &str = "[workspace]\nresolver = \"2\"\nmembers = [\"lib/a\", \"trusted/exchange\"]\n\
                    [workspace.package]\nedition = \"2024\"\n";
const MEMBER: &str = "[package]\nname = \"a\"\nedition.workspace = true\n";
const TRUSTED: &str = "[package]\nname = \"exchange\"\n";

fn tree(root: &str, member: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("Cargo.toml", root),
        ("lib/a/Cargo.toml", member),
        ("trusted/exchange/Cargo.toml", TRUSTED),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[track_caller]
fn is_refused(root: &str, member: &str, expected: &str) {
    let line = check(tree(root, member).path()).unwrap_err().to_string();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains(expected), "{line}");
}

#[track_caller]
fn member_is_refused(more: &str, expected: &str) {
    is_refused(ROOT, &format!("{MEMBER}{more}\n"), expected);
}

#[track_caller]
fn root_is_refused(more: &str, expected: &str) {
    is_refused(&format!("{ROOT}{more}\n"), MEMBER, expected);
}

#[test]
fn ordinary_manifests_are_good() {
    let more = "[dependencies]\nexchange = { path = \"../../trusted/exchange\" }\nlog = \"1\"\n\
                [target.'cfg(a)'.dev-dependencies]\nb = { version = \"1\", features = [\"c\"] }\n\
                [[bin]]\nname = \"a\"\npath = \"src/main.rs\"\n";
    let root =
        format!("{ROOT}[profile.image]\nlto = \"thin\"\n[workspace.lints.rust]\na = \"deny\"\n");
    let folder = tree(&root, &format!("{MEMBER}{more}"));
    let members = check(folder.path()).unwrap();
    let is_untrusted = members.iter().map(super::Member::is_untrusted);
    assert_eq!(is_untrusted.collect::<Vec<_>>(), [true, false]);
}

#[test]
fn keys_that_run_or_rename_are_refused() {
    member_is_refused(
        "build = \"b.rs\"",
        "lib/a/Cargo.toml: package.build is refused",
    );
    member_is_refused("links = \"c\"", "package.links is refused");
    member_is_refused(
        "[build-dependencies]\nlog = \"1\"",
        "build-dependencies.log is refused",
    );
    member_is_refused("[lib]\nproc-macro = true", "lib.proc-macro is refused");
    member_is_refused("[lib]\nname = \"core\"", "lib.name is refused");
    member_is_refused(
        "[[bin]]\nname = \"x\"\nedition = \"2021\"",
        "bin[].edition is refused",
    );
    let renamed = "[dependencies]\nexchange = { version = \"1\", package = \"log\" }";
    member_is_refused(renamed, "dependencies.exchange.package is refused");
    let elsewhere = "[dependencies]\nlog = { version = \"1\", registry = \"b\" }";
    member_is_refused(elsewhere, "dependencies.log.registry is refused");
    let git = "[dev-dependencies]\nlog = { git = \"https://example.org\" }";
    member_is_refused(git, "dev-dependencies.log.git is refused");
    member_is_refused(
        "[profile.release]\nlto = true",
        "profile.release.lto is refused",
    );
    is_refused(
        ROOT,
        &format!("cargo-features = [\"a\"]\n{MEMBER}"),
        "cargo-features is refused",
    );
    member_is_refused(
        "[lints.rust]\nunsafe_code = \"allow\"",
        "lints.rust.unsafe_code",
    );
}

#[test]
fn paths_lead_to_members_by_their_names() {
    let to = |path: &str| format!("[dependencies]\nexchange = {{ path = \"{path}\" }}");
    member_is_refused(&to("../../../elsewhere"), "is no member of the workspace");
    member_is_refused(&to("/tmp/exchange"), "is no member of the workspace");
    member_is_refused(&to("../exchange"), "is no member of the workspace");
    let other = "[dependencies]\ncore = { path = \"../../trusted/exchange\" }";
    member_is_refused(other, "core is refused: it is called exchange");
    let target = "[target.'cfg(b)'.dependencies]\nexchange = { path = \"../../kernel\" }";
    member_is_refused(target, "is no member of the workspace");
    member_is_refused(
        "[lib]\npath = \"../b.rs\"",
        "expected a file of the package",
    );
    member_is_refused(
        "[[bin]]\nname = \"b\"\npath = \"/tmp/b.rs\"",
        "expected a file of the package",
    );
}

#[test]
fn names_are_those_of_one_crate() {
    is_refused(
        ROOT,
        &MEMBER.replace("\"a\"", "\"exchange\""),
        "lib/a/Cargo.toml: the name exchange is refused: trusted/exchange has it",
    );
    is_refused(
        ROOT,
        &MEMBER.replace("\"a\"", "\"proc-macro\""),
        "one of the compiler's crates",
    );
    is_refused(
        ROOT,
        &MEMBER.replace("edition.workspace = true\n", ""),
        "the edition is refused",
    );
}

#[test]
fn the_workspace_has_members_lints_and_profiles() {
    root_is_refused(
        "[patch.crates-io]\nlog = { path = \"lib/a\" }",
        "patch.crates-io.log.path is refused",
    );
    root_is_refused(
        "[replace]\n\"log:1.0.0\" = { path = \"lib/a\" }",
        "is refused",
    );
    root_is_refused(
        "[profile.image]\nrustflags = [\"-Cb\"]",
        "profile.image.rustflags is refused",
    );
    root_is_refused(
        "[workspace.dependencies]\nlog = \"1\"",
        "workspace.dependencies.log is refused",
    );
    is_refused(&ROOT.replace("2024", "2021"), MEMBER, "expected \"2024\"");
    is_refused(
        &ROOT.replace("\"2\"", "\"1\""),
        MEMBER,
        "workspace.resolver is refused",
    );
    is_refused(
        &ROOT.replace("\"lib/a\"", "\"lib/*\""),
        MEMBER,
        "expected a folder in one of",
    );
    is_refused(
        &ROOT.replace("\"lib/a\"", "\"../a\""),
        MEMBER,
        "expected a folder in one of",
    );
    is_refused(
        &ROOT.replace("\"lib/a\"", "\"rooms/a\""),
        MEMBER,
        "expected a folder in one of",
    );
}
