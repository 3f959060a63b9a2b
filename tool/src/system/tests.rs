//! Manifests: what is right becomes a plan, what is wrong one clear line.

use std::path::Path;

use abi::grant::GrantKind;
use manifest::{DeathPolicy, GrantSource, PciPattern, SystemPlan};

use super::compile::{ImageNote, ImageParameter};
use super::{Images, Source};
use crate::cli::Machine;

/// A driver of disks, a file system on one, and a shell with everything else.
const GOOD: &str = r#"
[[domain]]
name = "files"
image = "ext2fs"
on_death = "restart"
memory = "4MiB"
watchdog_ms = 250
[domain.grants]
disk = { domain = ["nvme", "filedisk"] }

[[domain]]
name = "nvme"
machine = "pc"
[domain.grants]
function = { pci = { class = "01:08:02" } }

[[domain]]
name = "filedisk"
machine = "hosted"
[domain.grants]
file = { host_file = "disk" }

[[domain]]
name = "shell"
[domain.grants]
files = { domain = "files" }
supervisor = { supervisor = true }
console = { console = true }
options = { options = { columns = 80, color = true, prompt = "$" } }
"#;

const BLOCK_DEVICE: u64 = 11;
const FILE_SYSTEM: u64 = 12;
const SUPERVISOR: u64 = 13;

fn parameter(name: &str, kind: GrantKind, interface: (&str, u64)) -> ImageParameter {
    ImageParameter {
        name: name.to_owned(),
        kind: Some(kind),
        is_optional: name == "options",
        fingerprint: interface.1,
        interface: interface.0.to_owned(),
    }
}

fn note(provides: (&str, u64), parameters: Vec<ImageParameter>) -> ImageNote {
    ImageNote {
        provides: provides.1,
        provides_name: provides.0.to_owned(),
        parameters,
    }
}

fn images() -> Images {
    let none = ("", 0);
    let block = ("BlockDevice", BLOCK_DEVICE);
    let files = ("FileSystem", FILE_SYSTEM);
    let mut images = Images::default();
    let function = parameter("function", GrantKind::PciFunction, none);
    images.insert("nvme", note(block, vec![function]));
    let file = parameter("file", GrantKind::HostFile, none);
    images.insert("filedisk", note(block, vec![file]));
    let disk = parameter("disk", GrantKind::Proxy, block);
    images.insert("ext2fs", note(files, vec![disk]));
    let parameters = vec![
        parameter("files", GrantKind::Proxy, files),
        parameter("supervisor", GrantKind::Proxy, ("Supervisor", SUPERVISOR)),
        parameter("console", GrantKind::Console, none),
        parameter("options", GrantKind::Text, none),
    ];
    images.insert("shell", note(none, parameters));
    let parameters = vec![
        parameter("guarded", GrantKind::Proxy, block),
        parameter("options", GrantKind::Text, none),
    ];
    images.insert("shadow-block", note(block, parameters));
    images
}

/// The plan of a manifest, or the line that says what is wrong with it.
fn plan(text: &str, machine: Machine) -> Result<SystemPlan, String> {
    plan_with(text, machine, &images())
}

fn plan_with(text: &str, machine: Machine, images: &Images) -> Result<SystemPlan, String> {
    let source = Source::parse("test", Path::new("systems/test.toml"), text);
    source
        .and_then(|source| source.plan(machine, images))
        .map_err(|error| error.to_string())
}

/// What is said of the good manifest with one text replaced by another.
#[track_caller]
fn refused(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old:?} is not in the manifest");
    let line = plan(&GOOD.replacen(old, new, 1), Machine::Pc).unwrap_err();
    assert_eq!(line.lines().count(), 1, "{line:?} is not one line");
    line
}

#[test]
fn domains_stand_after_what_they_are_handed() {
    let plan = plan(GOOD, Machine::Pc).unwrap();
    let names: Vec<&str> = plan
        .domains
        .iter()
        .map(|domain| domain.name.as_str())
        .collect();
    assert_eq!(names, ["nvme", "files", "shell"]);
    let files = plan.domain("files").unwrap();
    assert_eq!(files.image, "ext2fs");
    assert_eq!(files.grants[0].source, GrantSource::Domain { index: 0 });
    assert_eq!(files.limits.memory_bytes, 4 << 20);
    assert_eq!(files.limits.watchdog_ns, 250_000_000);
    assert!(matches!(files.on_death, DeathPolicy::Restart(_)));
}

#[test]
fn callers_of_a_shadow_are_promised_a_successor() {
    let text = GOOD.replacen(
        "machine = \"pc\"",
        "machine = \"pc\"\non_death = \"transparent\"",
        1,
    );
    let plan = plan(&text, Machine::Pc).unwrap();
    let promised = plan.domains.iter().filter(|domain| domain.is_promised);
    let promised: Vec<&str> = promised.map(|domain| domain.name.as_str()).collect();
    // `files` comes back as well, but its callers are told of its deaths.
    assert_eq!(promised, ["nvme-shadow"]);
}

#[test]
fn each_machine_has_its_own_domains() {
    let plan = plan(GOOD, Machine::Hosted).unwrap();
    assert!(plan.domain("nvme").is_none());
    let filedisk = plan.domain("filedisk").unwrap();
    let name = "disk".to_owned();
    assert_eq!(filedisk.grants[0].source, GrantSource::HostFile { name });
}

#[test]
fn grants_stand_in_the_order_of_the_parameters() {
    let plan = plan(GOOD, Machine::Pc).unwrap();
    let shell = plan.domain("shell").unwrap();
    let sources: Vec<&GrantSource> = shell.grants.iter().map(|grant| &grant.source).collect();
    let options = "color=true\ncolumns=80\nprompt=$\n".to_owned();
    assert_eq!(
        sources,
        [
            &GrantSource::Domain { index: 1 },
            &GrantSource::Supervisor,
            &GrantSource::Console,
            &GrantSource::Text(options),
        ]
    );
}

#[test]
fn a_plan_survives_its_bytes() {
    let source = Source::parse("test", Path::new("systems/test.toml"), GOOD).unwrap();
    let bytes = source.compile(Machine::Pc, &images()).unwrap();
    assert_eq!(
        SystemPlan::decode(&bytes),
        Ok(plan(GOOD, Machine::Pc).unwrap())
    );
}

#[test]
fn unknown_keys_are_refused_with_their_place() {
    let line = refused("watchdog_ms = 250", "watchdog = 250");
    assert!(
        line.starts_with("systems/test.toml:7:1: unknown field `watchdog`, expected one of `name`"),
        "{line}"
    );
    let line = refused("host_file", "hostfile");
    assert!(
        line.contains("unknown field `hostfile`, expected one of `domain`"),
        "{line}"
    );
    let line = plan("supervisors = \"init\"", Machine::Pc).unwrap_err();
    assert!(
        line.starts_with("systems/test.toml:1:1: unknown field `supervisors`"),
        "{line}"
    );
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    let line = refused("name = \"files\"", "name = files");
    assert!(line.starts_with("systems/test.toml:3:"), "{line}");
    let line = refused("\"restart\"", "\"again\"");
    assert!(
        line.contains("unknown variant `again`, expected one of `stop`, `restart`, `transparent`"),
        "{line}"
    );
    let line = refused("name = \"files\"\n", "");
    assert!(line.contains("missing field `name`"), "{line}");
}

#[test]
fn a_wire_that_is_missing_is_named_with_what_it_wants() {
    assert_eq!(
        refused("files = { domain = \"files\" }\n", ""),
        "system test, domain shell: image shell wants parameter files (an object of interface \
         FileSystem), and grants do not give it"
    );
}

#[test]
fn an_optional_wire_may_be_missing() {
    let start = GOOD.find("options = {").unwrap();
    let plan = plan(&GOOD[..start], Machine::Pc).unwrap();
    let shell = plan.domain("shell").unwrap();
    assert_eq!(shell.grants[3].source, GrantSource::Absent);
}

#[test]
fn a_grant_without_a_parameter_is_refused() {
    assert_eq!(
        refused("function =", "device ="),
        "system test, domain nvme: image nvme has no parameter device: expected one of function"
    );
}

#[test]
fn another_interface_is_refused_by_name() {
    assert_eq!(
        refused("{ domain = \"files\" }", "{ domain = \"nvme\" }"),
        "system test, domain shell: parameter files wants FileSystem, and nvme provides BlockDevice"
    );
    assert_eq!(
        refused("{ domain = \"files\" }", "{ supervisor = true }"),
        "system test, domain shell: parameter files wants FileSystem, and the supervisor provides \
         Supervisor"
    );
}

#[test]
fn another_definition_of_the_interface_is_refused() {
    let mut images = images();
    let function = parameter("function", GrantKind::PciFunction, ("", 0));
    let stale = ("BlockDevice", BLOCK_DEVICE + 1);
    images.insert("nvme", note(stale, vec![function]));
    assert_eq!(
        plan_with(GOOD, Machine::Pc, &images).unwrap_err(),
        "system test, domain files: parameter disk and nvme were built with different definitions \
         of BlockDevice: rebuild both"
    );
}

#[test]
fn a_domain_that_provides_nothing_is_no_source() {
    let line = refused("[\"nvme\", \"filedisk\"]", "\"shell\"");
    assert!(line.contains("needs itself to start"), "{line}");
    let line = refused(
        "files = { domain = \"files\" }",
        "files = { console = true }",
    );
    assert_eq!(
        line,
        "system test, domain shell: parameter files wants an object of interface FileSystem, and \
         grants give the console (console = true)"
    );
    let quiet = "\n[[domain]]\nname = \"quiet\"\nimage = \"nvme\"\ngrants = { function = { pci = { class = \"01:08:02\" } } }\n";
    let mut images = images();
    let function = parameter("function", GrantKind::PciFunction, ("", 0));
    images.insert("nvme", note(("", 0), vec![function]));
    assert_eq!(
        plan_with(&format!("{GOOD}{quiet}"), Machine::Pc, &images).unwrap_err(),
        "system test, domain files: parameter disk wants an object of nvme, which provides none"
    );
}

#[test]
fn names_are_unique_and_fit() {
    assert_eq!(
        refused("name = \"shell\"", "name = \"files\"\nimage = \"shell\""),
        "system test, domain files: the name is taken: expected each domain to have its own"
    );
    let long = "x".repeat(32);
    assert_eq!(
        refused(
            "name = \"shell\"",
            &format!("name = \"{long}\"\nimage = \"shell\"")
        ),
        format!("system test, domain {long}: the name has 32 bytes, expected 1 to 31")
    );
    let line = refused("name = \"shell\"", "name = \"\"\nimage = \"shell\"");
    assert!(
        line.ends_with("the name has 0 bytes, expected 1 to 31"),
        "{line}"
    );
}

#[test]
fn names_do_not_look_like_others_in_the_log() {
    let words = abi::note::RESERVED_NAMES.into_iter();
    for name in words.chain(["redleaf: exit status 0", "a b", "\u{fc}", "x\\n"]) {
        let line = refused(
            "name = \"shell\"",
            &format!("name = \"{name}\"\nimage = \"shell\""),
        );
        assert!(line.contains("is refused: expected letters"), "{line}");
    }
}

#[test]
fn a_circle_is_refused_with_its_members() {
    let circle = r#"
[[domain]]
name = "a"
image = "ext2fs"
[domain.grants]
disk = { domain = "b" }
[[domain]]
name = "b"
image = "ext2fs"
[domain.grants]
disk = { domain = "a" }
"#;
    assert_eq!(
        plan(circle, Machine::Pc).unwrap_err(),
        "system test, domain a: it needs itself to start, through a, b"
    );
    let itself = circle.replace("\"b\" }", "\"a\" }");
    let line = plan(&itself, Machine::Pc).unwrap_err();
    assert!(
        line.contains("domain a: it needs itself to start"),
        "{line}"
    );
}

#[test]
fn domains_and_images_that_are_not_there_are_named() {
    assert_eq!(
        refused("[\"nvme\", \"filedisk\"]", "[\"floppy\", \"tape\"]"),
        "system test, domain files: parameter disk is given the object of floppy or tape: no such \
         domain on machine pc"
    );
    // A domain of the other machine is not there either.
    let line = refused("[\"nvme\", \"filedisk\"]", "\"filedisk\"");
    assert!(line.ends_with("no such domain on machine pc"), "{line}");
    let line = refused("image = \"ext2fs\"", "image = \"fat\"");
    assert!(line.contains("image fat: "), "{line}");
}

#[test]
fn sizes_are_read_or_refused() {
    let memory = |text: &str| refused("\"4MiB\"", text);
    assert_eq!(
        memory("\"4X\""),
        "system test, domain files: memory = \"4X\": unknown unit; expected K, M or G, such as 256M"
    );
    assert!(memory("\"much\"").contains("expected K, M or G"));
    assert!(memory("\"0\"").contains("expected a size between 1 byte and 16 EiB"));
    assert!(memory("\"99999999999G\"").contains("expected a size between"));
    assert!(memory("4").contains("expected a string"));
    let line = refused("watchdog_ms = 250", "watchdog_ms = -1");
    assert!(line.starts_with("systems/test.toml:7:"), "{line}");
}

#[test]
fn limits_are_in_their_ranges() {
    let limit = |text: &str| refused("watchdog_ms = 250", text);
    assert_eq!(
        limit("threads = 0"),
        "system test, domain files: threads = 0: expected 1 to 16384"
    );
    assert!(limit("handles = 15").contains("handles = 15: expected 16 to 1048576"));
    assert!(limit("log_lines = 1000001").contains("expected 1 to 1000000"));
    assert!(limit("cpu_percent = 6401").contains("expected 1 to 6400"));
    assert!(limit("watchdog_ms = 0").contains("expected 1 to 3600000"));
    assert!(limit("start_ms = 0").contains("expected 1 to 3600000"));
    assert!(limit("exchange = \"1K\"").contains("exchange = 1024: expected 65536 to"));
    assert!(limit("exchange = \"1X\"").contains("exchange = \"1X\": unknown unit"));
}

#[test]
fn a_grant_names_one_source() {
    let line = refused("{ console = true }", "{ console = true, control = true }");
    assert!(
        line.contains("grant console names 2 sources: expected one of domain, pci"),
        "{line}"
    );
    let line = refused("{ console = true }", "{ console = false }");
    assert!(line.contains("grant console names 0 sources"), "{line}");
}

#[test]
fn pci_functions_are_selected_by_class_or_device() {
    let device = GOOD.replace("class = \"01:08:02\"", "device = \"8086:10fb\", index = 1");
    let plan = plan(&device, Machine::Pc).unwrap();
    let GrantSource::Pci(selector) = &plan.domain("nvme").unwrap().grants[0].source else {
        panic!("expected a PCI function");
    };
    let (vendor, device) = (0x8086, 0x10fb);
    assert_eq!(selector.pattern, PciPattern::Device { vendor, device });
    assert_eq!(selector.index, 1);
    assert_eq!(
        refused("\"01:08:02\"", "\"1:8:2\""),
        "system test, domain nvme: grant function: pci \"1:8:2\" is not \
         class:subclass:interface, such as 01:08:02"
    );
    let line = refused("{ class = \"01:08:02\" }", "{ index = 1 }");
    assert!(line.contains("one of class and device"), "{line}");
}
