//! Nobody but the entry asks what a domain came to.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
fn main() {
    let _ = runtime::ExitStatus(0).conclude();
}
