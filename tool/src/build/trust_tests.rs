//! Packages the build refuses: each a real one that cargo describes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::super::cargo::cargo;
use super::{Workspace, check_at};

const FORBIDS: &str = "//! A domain.\n#![forbid(unsafe_code)]\nfn main() {}\n";

/// A workspace with one domain; each test adds what is wrong.
struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Self { folder };
        let members = "[workspace]\nresolver = \"2\"\nmembers = [\"domains/*\"]\n";
        fixture.write("Cargo.toml", members);
        fixture.write("vetted.toml", "");
        fixture.package("domains/guest", "guest", "");
        fixture.write("domains/guest/src/main.rs", FORBIDS);
        fixture
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes the manifest of a package that ends in `more`.
    fn package(&self, folder: &str, name: &str, more: &str) {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}"
        );
        self.write(&format!("{folder}/Cargo.toml"), &manifest);
    }

    /// What the build says of the domain.
    fn verdict(&self) -> Result<(), String> {
        self.lock();
        let workspace = Workspace::read_at(self.root()).map_err(|error| error.to_string())?;
        let package = workspace.image_package("guest").unwrap();
        check_at(self.root(), &workspace, &[package]).map_err(|error| error.to_string())
    }

    /// Lets cargo write `Cargo.lock`.
    fn lock(&self) {
        let status = Command::new(cargo())
            .args(["metadata", "--format-version", "1", "--offline"])
            .current_dir(self.root())
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
    }

    #[track_caller]
    fn is_refused(&self, expected: &str) {
        let line = self.verdict().unwrap_err();
        assert_eq!(line.lines().count(), 1, "{line:?}");
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn a_domain_that_keeps_the_rules_is_built() {
    assert_eq!(Fixture::new().verdict(), Ok(()));
}

#[test]
fn a_domain_that_does_not_forbid_unsafe_is_refused() {
    let fixture = Fixture::new();
    let message =
        "guest is refused: domains/guest/src/main.rs does not say #![forbid(unsafe_code)]";
    fixture.write("domains/guest/src/main.rs", "//! A.\nfn main() {}\n");
    fixture.is_refused(message);
    let commented = FORBIDS.replace("#![", "// #![");
    fixture.write("domains/guest/src/main.rs", &commented);
    fixture.is_refused(message);
}

#[test]
fn a_build_script_is_refused() {
    let fixture = Fixture::new();
    fixture.write("domains/guest/build.rs", "fn main() {}\n");
    fixture.is_refused("guest is refused: it has a build script");
}

#[test]
fn a_procedural_macro_outside_trusted_is_refused() {
    let fixture = Fixture::new();
    let uses = "[dependencies]\nspell = { path = \"../spell\" }\n";
    fixture.package("domains/guest", "guest", uses);
    fixture.package("domains/spell", "spell", "[lib]\nproc-macro = true\n");
    fixture.write("domains/spell/src/lib.rs", "#![forbid(unsafe_code)]\n");
    fixture.is_refused("spell is refused: it is a procedural macro");
}

#[test]
fn a_crate_outside_of_the_rooms_is_refused() {
    let fixture = Fixture::new();
    let uses = "[dependencies]\nhelper = { path = \"../../elsewhere/helper\" }\n";
    fixture.package("domains/guest", "guest", uses);
    fixture.package("elsewhere/helper", "helper", "");
    fixture.write("elsewhere/helper/src/lib.rs", "#![forbid(unsafe_code)]\n");
    fixture.is_refused("helper is refused: it uses helper from ");
}

/// The domain with a dependency from the registry that this tool has as well,
/// so that nothing is fetched.
fn with_dependency(vetted: &str) -> Fixture {
    let fixture = Fixture::new();
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    fixture.write("Cargo.lock", &fs::read_to_string(lock).unwrap());
    fixture.package(
        "domains/guest",
        "guest",
        "[dependencies]\nunicode-width = \"0.2\"\n",
    );
    fixture.write("vetted.toml", vetted);
    fixture
}

const ENTRY: &str = "[unicode-width]\nversion = \"VERSION\"\nlicence = \"MIT OR Apache-2.0\"\nwhy = \"a test\"\nchecksum = \"CHECKSUM\"\n";

/// Version and checksum that are locked.
fn locked() -> (String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let checksums = super::read_checksums(&root).unwrap();
    let mut found = checksums
        .into_iter()
        .filter(|((name, _), _)| name == "unicode-width");
    let ((_, version), checksum) = found.next().unwrap();
    (version, checksum)
}

#[test]
fn a_vetted_dependency_is_built() {
    let (version, checksum) = locked();
    let entry = ENTRY
        .replace("VERSION", &version)
        .replace("CHECKSUM", &checksum);
    assert_eq!(with_dependency(&entry).verdict(), Ok(()));
}

#[test]
fn a_dependency_that_is_not_vetted_as_it_is_is_refused() {
    let (version, checksum) = locked();
    let good = ENTRY
        .replace("VERSION", &version)
        .replace("CHECKSUM", &checksum);
    with_dependency("").is_refused(&format!(
        "guest is refused: it uses unicode-width {version}, which vetted.toml does not list"
    ));
    with_dependency(&good.replace(&version, "0.0.1")).is_refused("but 0.0.1 is the version vetted");
    with_dependency(&good.replace(&checksum, "00"))
        .is_refused("in Cargo.lock is not the vetted one");
    with_dependency(&format!("{good}host_only = true\n"))
        .is_refused("which is vetted for the host only");
    with_dependency("[unicode-width]\nsize = 1\n")
        .is_refused("vetted.toml:2: unknown field `size`");
}
