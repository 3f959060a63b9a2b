//! Tests of Rv6 on the host: a file system in memory, threads for domains.

#![forbid(unsafe_code)]

mod deaths;
mod files;
mod host;
mod paths;
mod processes;
mod shadow;
mod terminal;
mod threads;
