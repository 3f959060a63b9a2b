//! An archive that a Linux kernel unpacks into its first root directory.
//!
//! The format is cpio's "newc", as the kernel's documentation describes it in
//! `driver-api/early-userspace/buffer-format`.

/// Mode bits of a directory and of a regular file that may be executed.
const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_755;

/// Name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// An archive under construction.
#[derive(Default)]
pub struct Initramfs {
    bytes: Vec<u8>,
    entries: u32,
}

impl Initramfs {
    /// Adds a directory; those above it come first.
    pub fn directory(&mut self, name: &str) {
        self.entry(name, DIRECTORY, &[]);
    }

    /// Adds an executable file.
    pub fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, FILE, content);
    }

    /// The archive's bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        // Inode, mode, owner, group, links, time, size, device (two numbers),
        // special device (two), length of the name with its zero, checksum.
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            length(content.len()),
            0,
            0,
            0,
            0,
            length(name.len() + 1),
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Names and contents begin at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_end_with_the_trailer() {
        let mut archive = Initramfs::default();
        archive.directory("bin");
        archive.file("bin/a", b"12345");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let at = |from: usize, text: &str| {
            assert_eq!(&bytes[from..from + text.len()], text.as_bytes());
        };
        at(0, "07070100000001000041ed");
        at(110, "bin\0");
        // Header and name of the directory take 116 bytes with their padding.
        at(116, "070701");
        at(116 + 54, "00000005");
        at(116 + 110, "bin/a\0");
        at(116 + 116, "12345\0\0\0");
        at(116 + 116 + 8, "070701");
        assert!(
            bytes
                .windows(TRAILER.len())
                .any(|part| part == TRAILER.as_bytes())
        );
    }
}
