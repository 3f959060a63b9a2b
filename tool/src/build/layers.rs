//! Who may import whom: one table, compared with cargo's graph both ways.
//!
//! The gate refuses an edge that is not in it; `./redleaf check layers` finds rows
//! that nobody uses as well.

use std::fs;

use super::cargo::Workspace;
use super::trust::TrustError;
use crate::check::{Finding, Findings, line_of, shown};
use crate::error::ToolError;
use crate::tree::Tree;

/// This file, where a new edge is a reviewed line.
const TABLE: &str = "tool/src/build/layers.rs";

/// What the packages of a room may import from the tree.
struct Layer {
    /// A folder; a package belongs to the longest that contains it.
    room: &'static str,
    /// Folders it may import from.
    may_import: &'static [&'static str],
    /// Folders that its tests may import from, too.
    tests_may_import: &'static [&'static str],
}

/// A row of the table.
const fn layer(room: &'static str, may_import: &'static [&'static str]) -> Layer {
    Layer {
        room,
        may_import,
        tests_may_import: &[],
    }
}

/// The table. The kernel knows no interface and a machine not the other; a
/// service has no device; a program sees the client library only; nobody
/// imports a domain, the tool or a test. An edge that no package uses is
/// refused as well: the table says what is, not what might be.
const LAYERS: &[Layer] = &[
    layer("lib", &[]),
    layer("lib/campaign", &["lib/chance"]),
    layer("lib/shell", &["lib/glob"]),
    layer("trusted/abi", &[]),
    layer("trusted/mem", &[]),
    Layer {
        room: "trusted/macros",
        may_import: &[],
        // What the macros expand to, for their compile-fail tests.
        tests_may_import: &["trusted/exchange", "trusted/runtime"],
    },
    Layer {
        room: "trusted/exchange",
        may_import: &["trusted/abi", "trusted/macros"],
        // Itself, with the heap that stands in for the kernel's.
        tests_may_import: &["trusted/exchange"],
    },
    layer(
        "trusted/runtime",
        &[
            "trusted/abi",
            "trusted/exchange",
            "trusted/macros",
            "trusted/mem",
        ],
    ),
    layer(
        "trusted/hardware",
        &["trusted/abi", "trusted/exchange", "trusted/runtime"],
    ),
    layer("trusted/breach", &["trusted/abi", "trusted/exchange"]),
    layer("interfaces", &["trusted/exchange", "trusted/macros"]),
    layer("kernel/core", &["trusted/abi", "lib/chance", "lib/image"]),
    layer("kernel/hosted", &["kernel/core", "trusted/abi"]),
    layer(
        "kernel/pc",
        &["kernel/core", "trusted/abi", "trusted/mem", "lib/chance"],
    ),
    layer(
        "domains/drivers",
        &[
            "interfaces",
            "trusted/exchange",
            "trusted/hardware",
            "trusted/runtime",
            // A library for drivers whose requests are done at once.
            "domains/drivers/immediate",
        ],
    ),
    Layer {
        room: "domains/services",
        may_import: &[
            "interfaces",
            "trusted/exchange",
            "trusted/runtime",
            "lib/ext2",
            "lib/manifest",
            // A library: what every shadow needs.
            "domains/services/shadow",
        ],
        // The file system with its keeper behind its shadow.
        tests_may_import: &["domains/services/keeper", "domains/services/shadow-files"],
    },
    Layer {
        room: "domains/posix",
        may_import: &[
            "interfaces",
            "trusted/exchange",
            "trusted/runtime",
            "lib/lineedit",
        ],
        // The personality between its client library and its keeper.
        tests_may_import: &["domains/posix/client", "domains/services/keeper"],
    },
    layer(
        "domains/posix/client",
        &[
            "interfaces",
            "trusted/exchange",
            "trusted/macros",
            "trusted/runtime",
        ],
    ),
    layer(
        "programs",
        &[
            "domains/posix/client",
            "lib/campaign",
            "lib/glob",
            "lib/lineedit",
            "lib/shell",
            "lib/trace-events",
            "lib/utility",
            // Named by what `#[posix::main]` expands to.
            "trusted/runtime",
        ],
    ),
    // The kernel's sources are there by path: the model checker's atomics are in
    // the place of its own.
    layer("tests/models", &["trusted/abi"]),
    layer(
        "tests",
        &[
            "interfaces",
            "trusted/exchange",
            "trusted/runtime",
            "lib/measure",
            // A driver that fails on purpose.
            "trusted/hardware",
            // A shadow of what only tests call, and one of a test's own.
            "domains/services/shadow",
            "domains/services/shadow-block",
        ],
    ),
    // A file system but for some names.
    layer(
        "tests/attacks/deadly-files",
        &[
            "domains/services/ext2fs",
            "interfaces",
            "lib/ext2",
            "trusted/exchange",
            "trusted/runtime",
        ],
    ),
    // Programs, so they have what programs have.
    layer(
        "tests/attacks/greedy",
        &["domains/posix/client", "interfaces", "trusted/runtime"],
    ),
    layer(
        "tests/attacks/sinker",
        &[
            "domains/posix/client",
            "interfaces",
            "trusted/exchange",
            "trusted/runtime",
        ],
    ),
    layer(
        "tests/attacks/usurper",
        &["domains/posix/client", "trusted/runtime"],
    ),
    layer("tests/corpus", &["domains/posix/client", "trusted/runtime"]),
    layer(
        "tests/attacks/wild",
        &["domains/posix/client", "trusted/breach", "trusted/runtime"],
    ),
    layer(
        "tests/attacks/rogue",
        &[
            "trusted/exchange",
            "trusted/hardware",
            "trusted/runtime",
            "trusted/breach",
            // A driver's logic, which is lied to.
            "domains/drivers/nvme",
        ],
    ),
    layer(
        "tests/attacks",
        &[
            "interfaces",
            "trusted/exchange",
            "trusted/hardware",
            "trusted/runtime",
            // Services without a right, as code calls them that broke the wall.
            "trusted/breach",
        ],
    ),
    layer(
        "tests/domains/bench-driver",
        // The driver's own logic without its domain, to measure what that costs.
        &[
            "interfaces",
            "trusted/exchange",
            "trusted/hardware",
            "trusted/runtime",
            "domains/drivers/nvme",
            "tests/domains/bench-block",
        ],
    ),
    layer(
        "tool",
        &[
            "trusted/abi",
            "lib/campaign",
            "lib/image",
            "lib/manifest",
            "lib/measure",
        ],
    ),
];

/// An edge of cargo's graph between two packages of the tree.
#[derive(Debug)]
struct Edge {
    from: String,
    to: String,
    is_test: bool,
    /// Manifest and line that makes it.
    place: (String, usize),
}

/// Compares the table with cargo's graph.
///
/// # Errors
/// [`ToolError`] if the workspace or a manifest cannot be read.
pub fn check(tree: &Tree) -> Result<Findings, ToolError> {
    let table = tree.path(TABLE);
    let table = fs::read_to_string(&table).map_err(ToolError::file("read", &table))?;
    let edges = edges(tree, &Workspace::read(tree)?)?;
    let findings = refused(LAYERS, &edges);
    Ok(findings.chain(unused(LAYERS, &edges, &table)).collect())
}

/// Refuses a workspace with an edge that the table does not allow, or with a package
/// that lies in no room of it.
///
/// # Errors
/// [`TrustError::Import`] for the first, or [`ToolError::File`].
pub fn refuse(tree: &Tree, workspace: &Workspace) -> Result<(), ToolError> {
    let edges = edges(tree, workspace)?;
    let nowhere = workspace.members().find_map(|package| {
        let room = workspace.room(package).display().to_string();
        layer_of(LAYERS, &room).is_none().then(|| {
            let file = format!("{room}/Cargo.toml");
            let message = format!("{room} lies in no room: expected one of the table in {TABLE}");
            Finding::new(&file, 1, message)
        })
    });
    match nowhere.or_else(|| refused(LAYERS, &edges).next()) {
        None => Ok(()),
        Some(finding) => Err(TrustError::Import(finding).into()),
    }
}

/// The edges between packages of the tree, whatever they are configured by.
fn edges(tree: &Tree, workspace: &Workspace) -> Result<Vec<Edge>, ToolError> {
    let mut edges = Vec::new();
    for package in workspace.members() {
        let manifest = &package.manifest_path;
        let text = fs::read_to_string(manifest).map_err(ToolError::file("read", manifest))?;
        for used in &package.dependencies {
            if let Some(path) = &used.path {
                let line = line_of(&text, &format!("{} = ", used.name));
                edges.push(Edge {
                    from: workspace.room(package).display().to_string(),
                    to: shown(&workspace.workspace_root, path),
                    is_test: used.kind.as_deref() == Some("dev"),
                    place: (shown(tree.root(), manifest), line),
                });
            }
        }
    }
    Ok(edges)
}

/// Edges that no row allows.
fn refused<'a>(layers: &'a [Layer], edges: &'a [Edge]) -> impl Iterator<Item = Finding> + 'a {
    edges
        .iter()
        .filter(|edge| !is_allowed(layers, edge))
        .map(|edge| {
            let (path, line) = &edge.place;
            let room = layer_of(layers, &edge.from).map_or("nothing", |layer| layer.room);
            let tests = if edge.is_test { "the tests of " } else { "" };
            let message = format!(
                "{tests}{} may not import {}: expected an edge that the row of {room} in {TABLE} allows",
                edge.from, edge.to
            );
            Finding::new(path, *line, message)
        })
}

/// Rows that allow what is not there. `table` is the text in which they are looked up.
fn unused<'a>(
    layers: &'a [Layer],
    edges: &'a [Edge],
    table: &'a str,
) -> impl Iterator<Item = Finding> + 'a {
    layers.iter().flat_map(move |layer| {
        let imports = layer.may_import.iter().map(|room| (room, false));
        let test_imports = layer.tests_may_import.iter().map(|room| (room, true));
        imports
            .chain(test_imports)
            .filter(move |(room, is_test)| !is_used(layers, edges, layer, room, *is_test))
            .map(move |(room, _)| {
                let line = line_of(table, &format!("\"{}\"", layer.room));
                let message = format!("no package of {} imports {room}: delete it", layer.room);
                Finding::new(TABLE, line, message)
            })
            .collect::<Vec<_>>()
    })
}

/// The row of a package: that of the longest room it lies in.
fn layer_of<'a>(layers: &'a [Layer], package: &str) -> Option<&'a Layer> {
    layers
        .iter()
        .filter(|layer| is_inside(package, layer.room))
        .max_by_key(|layer| layer.room.len())
}

fn is_allowed(layers: &[Layer], edge: &Edge) -> bool {
    layer_of(layers, &edge.from).is_some_and(|layer| {
        let tests: &[&str] = if edge.is_test {
            layer.tests_may_import
        } else {
            &[]
        };
        let mut rooms = layer.may_import.iter().chain(tests);
        rooms.any(|room| is_inside(&edge.to, room))
    })
}

fn is_used(layers: &[Layer], edges: &[Edge], layer: &Layer, room: &str, is_test: bool) -> bool {
    edges.iter().any(|edge| {
        let is_own = layer_of(layers, &edge.from).is_some_and(|own| own.room == layer.room);
        is_own && edge.is_test == is_test && is_inside(&edge.to, room)
    })
}

/// Whether a folder is the other one or lies inside.
fn is_inside(folder: &str, room: &str) -> bool {
    folder
        .strip_prefix(room)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[Layer] = &[
        layer("lib", &[]),
        layer("domains", &["lib", "interfaces"]),
        Layer {
            room: "domains/special",
            may_import: &["lib/one"],
            tests_may_import: &["interfaces"],
        },
    ];

    fn edge(from: &str, to: &str, is_test: bool) -> Edge {
        Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            is_test,
            place: (format!("{from}/Cargo.toml"), 9),
        }
    }

    fn good() -> Vec<Edge> {
        vec![
            edge("domains/a", "lib/one", false),
            edge("domains/a", "interfaces", false),
            edge("domains/special", "lib/one", false),
            edge("domains/special", "interfaces", true),
        ]
    }

    fn messages(edges: &[Edge]) -> Vec<String> {
        let table = "\n\"domains\"\n\"domains/special\"\n";
        let findings = refused(SMALL, edges).chain(unused(SMALL, edges, table));
        let findings = findings.collect::<Findings>();
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_edges_of_the_table_are_good() {
        assert_eq!(messages(&good()), Vec::<String>::new());
    }

    #[track_caller]
    fn is_refused(from: &str, to: &str, is_test: bool) {
        let mut edges = good();
        edges.push(edge(from, to, is_test));
        let messages = messages(&edges);
        assert_eq!(messages.len(), 1, "{messages:?}");
        let expected = format!("{from}/Cargo.toml:9: ");
        assert!(messages[0].starts_with(&expected), "{messages:?}");
        assert!(messages[0].contains(&format!("may not import {to}")));
    }

    #[test]
    fn other_edges_are_refused_where_they_are_made() {
        is_refused("lib/one", "lib/two", false);
        is_refused("domains/a", "kernel/core", false);
        is_refused("domains/a", "library", false);
        is_refused("unknown", "lib/one", false);
        is_refused("lib/one", "interfaces", true);
    }

    #[test]
    fn a_special_row_replaces_that_of_its_room() {
        is_refused("domains/special", "lib/two", false);
        is_refused("domains/special", "interfaces", false);
    }

    #[test]
    fn an_edge_nobody_uses_is_found_in_the_table() {
        let mut edges = good();
        edges.retain(|edge| edge.to != "interfaces");
        assert_eq!(
            messages(&edges),
            [
                "tool/src/build/layers.rs:2: no package of domains imports interfaces: delete it",
                "tool/src/build/layers.rs:3: no package of domains/special imports interfaces: delete it",
            ]
        );
    }
}
