//! The role that an image is signed for: the room its package lies in.
//!
//! Test images lie in one room whatever they are: their manifests say it, as
//! `[package.metadata.redleaf] role = "driver"`; without that it is a service.

use abi::grant::GrantKind;
use abi::role::Role;
use domain_image::Note;

use super::cargo::{Package, Workspace};

/// Which rooms give which role; the first that fits counts.
const ROOMS: [(&str, Role); 5] = [
    ("domains/services/init", Role::Supervisor),
    ("domains/drivers", Role::Driver),
    ("domains/services", Role::Service),
    ("domains/posix", Role::Service),
    ("programs", Role::Program),
];

/// Where manifests say the role.
const TESTS: &str = "tests";

/// Why an image has no role, or not what it wants.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// The package lies in no room for images.
    #[error(
        "{0} lies in no room for images: expected domains/drivers, domains/services, \
         domains/posix, programs or tests"
    )]
    NoRoom(String),
    /// The manifest says what only the room says.
    #[error(
        "{0}: its manifest names a role, which only those under tests/ may: \
         the role of others follows from the folder"
    )]
    NamesRole(String),
    /// The manifest says something else than a role.
    #[error(
        "{0}: expected role \"supervisor\", \"driver\", \"service\" or \"program\" in its manifest, found {1}"
    )]
    UnknownRole(String, String),
    /// The image takes what its role may not have.
    #[error(
        "image {image:?} is signed as a {role}: a {role} gets no {kind}, which its parameter {parameter} takes"
    )]
    Forbidden {
        /// The image.
        image: String,
        /// Its role.
        role: &'static str,
        /// The parameter.
        parameter: String,
        /// What it takes.
        kind: &'static str,
    },
}

/// The role of a package's images.
pub fn of(workspace: &Workspace, package: &Package) -> Result<Role, RoleError> {
    let name = || package.name.clone();
    let named = package.metadata.pointer("/redleaf/role");
    if workspace.is_in(package, TESTS) {
        let Some(value) = named else {
            return Ok(Role::Service);
        };
        let role = Role::ALL
            .into_iter()
            .find(|role| value.as_str() == Some(role.name()));
        return role.ok_or_else(|| RoleError::UnknownRole(name(), value.to_string()));
    }
    if named.is_some() {
        return Err(RoleError::NamesRole(name()));
    }
    ROOMS
        .iter()
        .find(|(room, _)| workspace.is_in(package, room))
        .map(|(_, role)| *role)
        .ok_or_else(|| RoleError::NoRoom(name()))
}

/// Checks that an image takes nothing that its role may not have: the kernel would
/// refuse to start it.
pub fn check_note(role: Role, image: &str, note: &Note<'_>) -> Result<(), RoleError> {
    for parameter in note.parameters() {
        let kind = GrantKind::from_number(parameter.kind);
        if let Some(kind) = kind.filter(|kind| !role.may_have(*kind)) {
            return Err(RoleError::Forbidden {
                image: image.to_owned(),
                role: role.name(),
                parameter: parameter.name.to_owned(),
                kind: kind.name(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(folder: &str, metadata: serde_json::Value) -> Result<Role, RoleError> {
        let package = serde_json::json!({
            "name": "evil", "version": "0.1.0", "id": "evil", "targets": [],
            "manifest_path": format!("/tree/{folder}/Cargo.toml"), "metadata": metadata,
        });
        let workspace = serde_json::json!({
            "packages": [package], "workspace_members": ["evil"],
            "resolve": { "nodes": [] }, "workspace_root": "/tree",
        });
        let workspace: Workspace = serde_json::from_value(workspace).unwrap();
        of(&workspace, &workspace.packages[0])
    }

    #[test]
    fn the_room_decides() {
        let role = |folder| role(folder, serde_json::Value::Null);
        assert_eq!(role("domains/drivers/nvme"), Ok(Role::Driver));
        assert_eq!(role("domains/services/init"), Ok(Role::Supervisor));
        assert_eq!(role("domains/services/init2"), Ok(Role::Service));
        assert_eq!(role("domains/posix/rv6"), Ok(Role::Service));
        assert_eq!(role("programs"), Ok(Role::Program));
        assert_eq!(role("tests/domains/echo"), Ok(Role::Service));
        assert!(matches!(role("lib/evil"), Err(RoleError::NoRoom(_))));
    }

    #[test]
    fn only_tests_may_say_otherwise() {
        let driver = || serde_json::json!({ "redleaf": { "role": "driver" } });
        assert_eq!(role("tests/domains/bomb", driver()), Ok(Role::Driver));
        let refused = role("programs", driver());
        assert_eq!(refused, Err(RoleError::NamesRole("evil".to_owned())));
        let unknown = serde_json::json!({ "redleaf": { "role": "kernel" } });
        let refused = role("tests/attacks/evil", unknown).unwrap_err();
        assert!(refused.to_string().ends_with("found \"kernel\""));
    }
}
