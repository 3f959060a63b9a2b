//! The boot archive: a tar file with the plan, the images and boot settings.
//!
//! | entry | content |
//! |---|---|
//! | `plan` | the supervisor's plan, `manifest::SystemPlan` |
//! | `boot` | settings of this run, `key=value` lines |
//! | `images/init` | signed image of the supervisor, which the kernel starts |
//! | `images/NAME` | signed images of the other domains |
//! | `kernel` | the kernel's symbols, an ELF file, where it cannot read its own |
//!
//! All of it is signed ([`domain_image::SignedArchive`]), for each run anew: the
//! settings are the run's. The kernel reads nothing of an archive that is not what
//! was signed.

use std::fs;
use std::path::Path;

use crate::build::{BuildError, Built, Keys};
use crate::error::ToolError;
use crate::tree::Tree;

/// Name of the image that the kernel starts.
const SUPERVISOR: &str = "init";

/// Settings of one run, the archive's `boot` entry.
#[derive(Clone, Debug, Default)]
pub struct BootSettings {
    /// Commands for the shell; `None`: it is interactive.
    pub exec: Option<String>,
    /// Width of the terminal in characters, if there is one.
    pub columns: Option<u16>,
    /// Height of the terminal in lines, if there is one.
    pub rows: Option<u16>,
}

impl BootSettings {
    /// The settings as lines. The commands come last and go on to the end,
    /// newlines included.
    fn to_text(&self) -> String {
        let mut text = format!("interactive={}\n", u8::from(self.exec.is_none()));
        for (key, value) in [("columns", self.columns), ("rows", self.rows)] {
            if let Some(value) = value {
                text += &format!("{key}={value}\n");
            }
        }
        if let Some(exec) = &self.exec {
            text += &format!("exec={exec}");
        }
        text
    }
}

/// Writes the archive and signs it; `symbols` is the kernel's ELF file, if it goes in.
///
/// # Errors
/// [`ToolError::File`] if a file cannot be read or the archive not written.
pub fn write(
    tree: &Tree,
    path: &Path,
    built: &Built,
    symbols: Option<&Path>,
    settings: &BootSettings,
) -> Result<(), ToolError> {
    let mut archive = tar::Builder::new(Vec::new());
    let plan = fs::read(&built.plan).map_err(ToolError::file("read", &built.plan))?;
    append(&mut archive, path, "boot", settings.to_text().as_bytes())?;
    append(&mut archive, path, "plan", &plan)?;
    for (name, image) in &built.images {
        let bytes = fs::read(image).map_err(ToolError::file("read", image))?;
        let name = match name == &built.supervisor {
            true => SUPERVISOR,
            false => name,
        };
        append(&mut archive, path, &format!("images/{name}"), &bytes)?;
    }
    if let Some(kernel) = symbols {
        let bytes = fs::read(kernel).map_err(ToolError::file("read", kernel))?;
        append(&mut archive, path, "kernel", &bytes)?;
    }
    let mut archive = archive
        .into_inner()
        .map_err(ToolError::file("write", path))?;
    let keys = Keys::load_or_make(tree)?;
    let trailer = domain_image::archive_trailer(&archive, &keys.seed).map_err(|error| {
        BuildError::Archive {
            path: path.to_owned(),
            error,
        }
    })?;
    archive.extend_from_slice(&trailer);
    fs::write(path, archive).map_err(ToolError::file("write", path))
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), ToolError> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o444);
    archive
        .append_data(&mut header, name, bytes)
        .map_err(ToolError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_last() {
        let settings = BootSettings {
            exec: Some("echo a\necho 'b\\c'".to_owned()),
            columns: Some(80),
            rows: None,
        };
        assert_eq!(
            settings.to_text(),
            "interactive=0\ncolumns=80\nexec=echo a\necho 'b\\c'"
        );
        assert_eq!(BootSettings::default().to_text(), "interactive=1\n");
    }
}
