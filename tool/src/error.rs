//! What can go wrong in the tool: one line each, and the exit status.

use std::io;
use std::path::{Path, PathBuf};

use crate::bench::BenchError;
use crate::build::BuildError;
use crate::build::holes::ExamineError;
use crate::campaign::CampaignError;
use crate::check::CheckError;
use crate::cli::SetupError;
use crate::disk::DiskError;
use crate::iso::IsoError;
use crate::new::NewError;
use crate::run::RunError;
use crate::system::SystemError;
use crate::test::TestError;

/// Any failure of the tool.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// A file of ours could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: read, write, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}: {source}; is it installed?")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The tool was not started through `./redleaf`.
    #[error("{} is not the RedLeaf tree: start the tool as ./redleaf", .0.display())]
    NotTheTree(PathBuf),
    /// The build failed or refused.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A crate could not be examined.
    #[error(transparent)]
    Examine(#[from] ExamineError),
    /// A system manifest is wrong.
    #[error(transparent)]
    System(#[from] SystemError),
    /// The disk image is unusable.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Tests could not be run.
    #[error(transparent)]
    Test(#[from] TestError),
    /// The tree could not be checked.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// There is no CD.
    #[error(transparent)]
    Iso(#[from] IsoError),
    /// Nothing new was made.
    #[error(transparent)]
    New(#[from] NewError),
    /// A benchmark has no result.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// No campaign can begin.
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    /// The machine has no such thing.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The system could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl ToolError {
    /// For `map_err`: the failure of an action on a file.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// Exit status of the tool: 2 for what the caller asked wrongly, else 1;
    /// 125 when a system failed while it ran.
    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::System(_)
            | Self::Disk(_)
            | Self::Check(_)
            | Self::New(_)
            | Self::Campaign(_)
            | Self::Setup(_) => 2,
            Self::Run(_) => 125,
            _ => 1,
        }
    }
}
