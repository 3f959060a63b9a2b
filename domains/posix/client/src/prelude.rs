//! What nearly every program uses: `use posix::prelude::*;`.

pub use alloc::borrow::ToOwned;
pub use alloc::boxed::Box;
pub use alloc::format;
pub use alloc::string::{String, ToString};
pub use alloc::vec;
pub use alloc::vec::Vec;

pub use crate::io::{BufRead, Read, Seek, Write};
pub use crate::options::{Options, Switches};
pub use crate::process::ExitCode;
pub use crate::{complain, eprint, eprintln, print, println};
