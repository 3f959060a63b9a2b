//! Aliases: names that a command line's text is replaced for.

use alloc::collections::BTreeMap;
use alloc::string::String;

/// Values by name.
pub type Aliases = BTreeMap<String, String>;
