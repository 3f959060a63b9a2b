//! Domain images: signature, checked layout, symbols and note.
//!
//! An image file is an ELF file and a trailer:
//!
//! ```text
//! ELF bytes ‖ their FNV-1a hash, u64 LE (8) ‖ first bytes of the public key (8)
//!   ‖ number of ELF bytes, u64 LE (8)
//! ‖ Ed25519 signature over all of that (64) ‖ "RLSIGN02"
//! ```
//!
//! [`SignedImage::check`] is the one way from bytes of unknown origin to an
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
mod layout;
mod note;
mod signature;
mod symbols;

pub use error::{ImageError, KeyId};
pub use layout::{Layout, MAX_SEGMENTS, PAGE_SIZE, Permissions, Relocation, Segment};
pub use note::{MAX_PARAMETERS, NOTE_SECTION, Note, Parameter};
pub use signature::{PublicKey, SEED_SIZE, SignedImage, TRAILER_SIZE, public_key, trailer};
pub use symbols::{SymbolName, Symbols};

#[cfg(test)]
mod tests;
