//! Links the process at fixed addresses, so that the addresses of its symbols
//! are those it runs at, in backtraces as in gdb.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=-no-pie");
}
