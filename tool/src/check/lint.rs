//! Formatting, clippy and rustdoc over the whole tree; a warning is a finding.
//!
//! Kernels and images compile with a configuration and features of their own,
//! so the tree is looked at in views, one cargo command each.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde::Deserialize;

use super::{Finding, Findings, shown};
use crate::build::{Environment, Gate, Keys, TARGET, cargo, start_error};
use crate::error::ToolError;
use crate::progress::Step;
use crate::tree::Tree;

/// The machines' packages; whoever else is compiled with them gets their
/// features.
const MACHINES: [&str; 2] = ["kernel-pc", "kernel-hosted"];

/// Flags of kernels and images that change what is compiled.
const IMAGE_FLAGS: &str = "--cfg=redleaf_image\x1f-Cpanic=abort";

/// Rustdoc: the documentation is for who works on the tree, so it includes
/// private items, and links to them are good.
const DOC_FLAGS: &str = "-Arustdoc::private_intra_doc_links";

/// One way to look at a part of the tree.
struct View {
    /// Folder for what is built, under `target/`.
    folder: &'static str,
    /// Flags of the compiler.
    flags: &'static str,
    /// Which packages and targets.
    arguments: Vec<String>,
}

/// Files that `cargo fmt` would change, and where.
///
/// # Errors
/// [`ToolError::Start`] if cargo cannot be started.
pub fn format(tree: &Tree) -> Result<Findings, ToolError> {
    let output = Command::new(cargo())
        .args(["fmt", "--all", "--", "--check"])
        .current_dir(tree.root())
        .stdin(Stdio::null())
        .output()
        .map_err(start_error("cargo fmt"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut findings = format_findings(tree.root(), &text);
    if !output.status.success() && findings.is_empty() {
        let error = String::from_utf8_lossy(&output.stderr);
        findings.insert(Finding::new("Cargo.toml", 1, failure("cargo fmt", &error)));
    }
    Ok(findings)
}

/// Reads rustfmt's lines `Diff in FILE:LINE:`.
fn format_findings(root: &Path, text: &str) -> Findings {
    text.lines()
        .filter_map(|line| line.strip_prefix("Diff in ")?.strip_suffix(':'))
        .filter_map(|place| {
            let (path, line) = place.rsplit_once(':')?;
            let line = line.parse().ok()?;
            let message = "not as rustfmt writes it: run cargo fmt --all";
            Some(Finding::new(&shown(root, Path::new(path)), line, message))
        })
        .collect()
}

/// What clippy says of hosts' code, images, and both kernels.
///
/// # Errors
/// [`ToolError`] if the workspace cannot be read or cargo not be started.
pub fn clippy(tree: &Tree, step: &Step) -> Result<Findings, ToolError> {
    let gate = Gate::pass(tree)?;
    let mut host = words(&["--workspace", "--all-targets"]);
    host.extend(MACHINES.iter().flat_map(|name| words(&["--exclude", name])));
    let mut images = words(&["--bins", "--target", TARGET]);
    for package in gate
        .workspace()
        .members_in(&["domains", "programs", "tests"])
    {
        if package.has_target("bin") {
            images.extend(words(&["-p", &package.name]));
        }
    }
    let views = [
        View {
            folder: "host",
            flags: "",
            arguments: host,
        },
        View {
            folder: "images",
            flags: IMAGE_FLAGS,
            arguments: images,
        },
        View {
            folder: "kernel",
            flags: IMAGE_FLAGS,
            arguments: words(&["--target", TARGET, "-p", "kernel-pc"]),
        },
        View {
            folder: "hosted",
            flags: "",
            arguments: words(&["--all-targets", "--target", TARGET, "-p", "kernel-hosted"]),
        },
    ];
    look(tree, &gate, "clippy", &views, step)
}

/// What rustdoc says.
///
/// # Errors
/// [`ToolError`] if cargo cannot be started.
pub fn docs(tree: &Tree, step: &Step) -> Result<Findings, ToolError> {
    let common = ["--no-deps", "--document-private-items"];
    // Two programs of one name cannot be documented at once.
    let mut host = words(&["--workspace", "--exclude", "programs"]);
    host.extend(MACHINES.iter().flat_map(|name| words(&["--exclude", name])));
    host.extend(words(&common));
    let mut programs = words(&["-p", "programs", "-p", "kernel-hosted"]);
    programs.extend(words(&common));
    let mut kernel = words(&["-p", "kernel-pc", "--target", TARGET]);
    kernel.extend(words(&common));
    let views = [
        View {
            folder: "host",
            flags: "",
            arguments: host,
        },
        View {
            folder: "host",
            flags: "",
            arguments: programs,
        },
        View {
            folder: "kernel",
            flags: IMAGE_FLAGS,
            arguments: kernel,
        },
    ];
    look(tree, &Gate::pass(tree)?, "doc", &views, step)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Runs a subcommand of cargo on each view and gathers its warnings.
fn look(
    tree: &Tree,
    gate: &Gate,
    subcommand: &str,
    views: &[View],
    step: &Step,
) -> Result<Findings, ToolError> {
    let environment = Environment::new(tree, &Keys::load_or_make(tree)?)?;
    let mut findings = Findings::new();
    for view in views {
        let rustdoc_flags = match view.flags {
            "" => DOC_FLAGS.to_owned(),
            flags => format!("{DOC_FLAGS}\x1f{flags}"),
        };
        let folder = tree.target(view.folder);
        let mut command = gate.cargo(std::slice::from_ref(&folder))?;
        command
            .args([
                subcommand,
                "--locked",
                "--keep-going",
                "--message-format=json",
            ])
            .args(&view.arguments)
            .arg("--target-dir")
            .arg(folder)
            .env("CARGO_ENCODED_RUSTFLAGS", view.flags)
            .env("CARGO_ENCODED_RUSTDOCFLAGS", rustdoc_flags)
            .current_dir(tree.root());
        environment.apply(&mut command);
        findings.extend(run(tree.root(), subcommand, command, step)?);
    }
    Ok(findings)
}

/// Runs one cargo command; its warnings and errors.
fn run(
    root: &Path,
    subcommand: &str,
    mut command: Command,
    step: &Step,
) -> Result<Findings, ToolError> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start_error("cargo"))?;
    let messages = child.stdout.take().map(|mut stdout| {
        thread::spawn(move || {
            let mut text = String::new();
            // What is no text is no message; cargo's status tells of the loss.
            let _ = stdout.read_to_string(&mut text);
            text
        })
    });
    let mut progress = String::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            step.detail(line.trim());
            progress.push_str(&line);
            progress.push('\n');
        }
    }
    let messages = messages
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    let status = child.wait().map_err(start_error("cargo"))?;
    let mut findings = message_findings(root, &messages);
    if !status.success() && findings.is_empty() {
        let message = failure(&format!("cargo {subcommand}"), &progress);
        findings.insert(Finding::new("Cargo.toml", 1, message));
    }
    Ok(findings)
}

/// A failure that says nothing about a line of the tree.
fn failure(command: &str, error: &str) -> String {
    let reason = error
        .lines()
        .find(|line| line.starts_with("error"))
        .or_else(|| error.lines().last())
        .unwrap_or("no reason given");
    format!("{command} failed: {}", reason.trim())
}

/// A line of cargo's messages.
#[derive(Deserialize)]
struct Line {
    message: Option<Message>,
}

/// A message of the compiler.
#[derive(Deserialize)]
struct Message {
    level: String,
    message: String,
    code: Option<Code>,
    spans: Vec<Span>,
}

/// Which lint it is of.
#[derive(Deserialize)]
struct Code {
    code: String,
}

/// A place a message points to.
#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    is_primary: bool,
}

/// Reads cargo's messages; a count of warnings has no place and is left out.
fn message_findings(root: &Path, messages: &str) -> Findings {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok()?.message)
        .filter(|message| message.level == "warning" || message.level.starts_with("error"))
        .filter_map(|message| {
            let span = message.spans.iter().find(|span| span.is_primary)?;
            let text = message.message.lines().next().unwrap_or_default();
            let text = match &message.code {
                Some(code) => format!("{text} ({})", code.code),
                None => text.to_owned(),
            };
            let path = shown(root, Path::new(&span.file_name));
            Some(Finding::new(&path, span.line_start, text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_lines(findings: &Findings) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn differences_of_rustfmt_are_findings() {
        let text = "Diff in /tree/lib/a.rs:12:\n-a\n+b\nDiff in /tree/lib/b.rs:3:\n";
        assert_eq!(
            shown_lines(&format_findings(Path::new("/tree"), text)),
            [
                "lib/a.rs:12: not as rustfmt writes it: run cargo fmt --all",
                "lib/b.rs:3: not as rustfmt writes it: run cargo fmt --all",
            ]
        );
        assert!(format_findings(Path::new("/tree"), "").is_empty());
    }

    #[test]
    fn warnings_with_a_place_are_findings() {
        let warning = r#"{"reason":"compiler-message","message":{"level":"warning","message":"unused\nmore","code":{"code":"dead_code"},"spans":[{"file_name":"x.rs","line_start":1,"is_primary":false},{"file_name":"lib/a.rs","line_start":4,"is_primary":true}]}}"#;
        let count = r#"{"reason":"compiler-message","message":{"level":"warning","message":"1 warning emitted","code":null,"spans":[]}}"#;
        let artifact = r#"{"reason":"compiler-artifact","target":{"name":"a"}}"#;
        let messages = [warning, warning, count, artifact, "noise"].join("\n");
        assert_eq!(
            shown_lines(&message_findings(Path::new("/tree"), &messages)),
            ["lib/a.rs:4: unused (dead_code)"]
        );
    }

    /// A crate of one file in a workspace of its own, with what cargo says.
    fn looked_at(subcommand: &str, text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("src")).unwrap();
        let manifest = "[package]\nname = \"fixture\"\nedition = \"2024\"\n[workspace]\n";
        std::fs::write(root.join("Cargo.toml"), manifest).unwrap();
        std::fs::write(root.join("src/lib.rs"), text).unwrap();
        let mut command = Command::new(cargo());
        command
            .args([subcommand, "--message-format=json"])
            .env_remove("CARGO_TARGET_DIR")
            .current_dir(root);
        let step = Step::start("fixture");
        shown_lines(&run(root, subcommand, command, &step).unwrap())
    }

    #[test]
    fn clippy_fires_on_a_bad_crate_and_not_on_a_good_one() {
        let bad = "//! A.\n\npub fn a(b: &Vec<u8>) -> usize {\n    b.len()\n}\n";
        let found = looked_at("clippy", bad);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("src/lib.rs:3: "), "{found:?}");
        let good = bad.replace("Vec<u8>", "[u8]");
        assert_eq!(looked_at("clippy", &good), Vec::<String>::new());
    }

    #[test]
    fn rustdoc_fires_on_a_dead_link_and_not_on_a_live_one() {
        let bad = "//! A: [`b`].\n\n/// A.\npub fn a() {}\n";
        let found = looked_at("doc", bad);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("src/lib.rs:1: unresolved link"),
            "{found:?}"
        );
        assert_eq!(
            looked_at("doc", &bad.replace("`b`", "`a`")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_crate_that_does_not_parse_is_a_finding() {
        let found = looked_at("clippy", "//! A.\n\nfn a( {}\n");
        assert!(found[0].starts_with("src/lib.rs:3: "), "{found:?}");
    }

    #[test]
    fn a_failure_without_a_place_says_why() {
        let error = "    Updating index\nerror: no matching package\n";
        assert_eq!(
            failure("cargo clippy", error),
            "cargo clippy failed: error: no matching package"
        );
    }
}
