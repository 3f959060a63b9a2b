//! The host tool behind `./redleaf`: build, sign, run, test, check, bench.
//!
//! One module per subcommand ([`run`], …) and the steps they share:
//!
//! - [`tree`]: where everything lies, and whether anything changed;
//! - [`build`]: cargo with the right flags, the trust rules, signatures;
//! - [`system`]: `systems/NAME.toml` → the supervisor's plan, every wire checked;
//! - [`archive`], [`disk`]: what a machine is booted with;
//! - [`progress`], [`error`]: what the person at the terminal sees.
//!
//! The tool is also cargo's compiler wrapper and the compiler's linker while it builds
//! images ([`build::wrapper`], [`build::linker`]): that is how `unsafe` and foreign
//! objects are refused whatever a crate says.

#![forbid(unsafe_code)]

mod archive;
mod bench;
mod build;
mod campaign;
mod check;
mod cli;
mod digest;
mod disk;
mod error;
mod iso;
mod new;
mod progress;
mod run;
mod system;
mod test;
mod tree;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use error::ToolError;
use tree::Tree;

fn main() -> ExitCode {
    if build::confine::is_wanted() {
        return build::confine::run();
    }
    if build::linker::is_wanted() {
        return build::linker::run();
    }
    if build::wrapper::is_wanted() {
        return build::wrapper::run();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(cli::refuse(&error)),
    };
    match dispatch(cli.command) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("redleaf: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

/// Carries out a subcommand; the exit status.
fn dispatch(command: Command) -> Result<u8, ToolError> {
    let tree = Tree::find()?;
    match command {
        Command::Run(options) => run::run(&tree, &options),
        Command::Test(options) => test::command(&tree, &options),
        Command::Check(options) => check::command(&tree, &options),
        Command::Bench(options) => bench::command(&tree, &options),
        Command::Campaign(options) => campaign::command(&tree, &options),
        Command::Build(options) => build::command(&tree, &options),
        Command::New(options) => new::command(&tree, &options),
    }
}
