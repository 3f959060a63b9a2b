//! What kernel and domain images agree on: layouts, tables and numbers.
//!
//! This crate holds data layouts only: the thread control block that lives at
//! `gs:0`, the table of kernel services it points to, the header of every
//! object on the exchange heap, and the note that describes a domain image.
//! It contains no behaviour and imports nothing but `core`. A change here
//! needs a new [`ABI_VERSION`]: the loader refuses images of another one.
#![no_std]

pub(crate) mod atomic;
pub mod death;
pub mod device;
pub mod exchange;
pub mod grant;
pub mod limits;
pub mod note;
pub mod protection;
pub mod role;
pub mod services;
pub mod status;
pub mod target;
pub mod thread;

/// Version of every layout in this crate; an image of another one is refused.
pub const ABI_VERSION: u32 = 20;

/// Bytes in a page, the unit of mapping.
pub const PAGE_SIZE: usize = 4096;

/// Compiler that built this crate (`rustc -vV` in one line), set by the build.
///
/// Images and kernel exchange values in the compiler's own layout, so a
/// different compiler means a different, refused, image.
pub const COMPILER: &str = match option_env!("REDLEAF_COMPILER") {
    Some(compiler) => compiler,
    None => "unknown compiler",
};
