//! Files of the boot archive.

use tar_no_std::TarArchiveRef;

/// The boot archive: the plan and the signed images of a system.
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    bytes: &'static [u8],
}

impl Archive {
    /// An archive over a tar file's bytes.
    pub const fn new(bytes: &'static [u8]) -> Self {
        Self { bytes }
    }

    /// A file's contents; `None` if there is none of that name.
    pub fn file(&self, name: &str) -> Option<&'static [u8]> {
        let tar = TarArchiveRef::new(self.bytes).ok()?;
        tar.entries()
            .find(|entry| entry.filename().as_str() == Ok(name))
            .map(|entry| entry.data())
    }
}
