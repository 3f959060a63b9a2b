//! Domain images: signature, checked layout, symbols and note.
//!
//! An image file is an ELF file, its identity and a trailer:
//!
//! ```text
//! content: ELF bytes ‖ role, u32 LE (4) ‖ version, 3 × u32 LE (12)
//!   ‖ package (32) ‖ name (32)
//! ‖ FNV-1a hash of the content, u64 LE (8) ‖ first bytes of the public key (8)
//!   ‖ number of bytes of the content, u64 LE (8) ‖ kind of the content (8)
//! ‖ Ed25519 signature over all of that (64) ‖ "RLSIGN03"
//! ```
//!
//! A boot archive is a tar file with the same trailer, for content of another kind.
//!
//! [`SignedArchive::check`] is the one way from what a boot loader left to files
//! of the build, [`SignedImage::check`] the one from bytes of unknown origin to an
//! ELF that the build made; [`Layout::parse`] the one way from there to
//! segments and relocations that a loader may follow blindly; [`Note::parse`]
//! reads what the image wants and provides, and [`Symbols`] turns addresses
//! into names for backtraces. Nothing here loads, maps or runs anything.
//!
//! Every function answers malformed input with an [`ImageError`], never with a
//! panic, although only signed bytes get past the first step.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod identity;
mod layout;
mod note;
mod signature;
mod symbols;

pub use error::{ImageError, KeyId, SignatureError};
pub use identity::{IDENTITY_SIZE, Identity, Version};
pub use layout::{Layout, MAX_SEGMENTS, PAGE_SIZE, Permissions, Relocation, Segment};
pub use note::{MAX_PARAMETERS, NOTE_SECTION, Note, Parameter};
pub use signature::{
    IMAGE_TRAILER_SIZE, PublicKey, SEED_SIZE, SignedArchive, SignedImage, TRAILER_SIZE,
    archive_trailer, image_trailer, public_key,
};
pub use symbols::{SymbolName, Symbols};

#[cfg(test)]
mod tests;
