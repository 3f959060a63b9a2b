//! From a store to a file system that serves: mounted anew, or gone on with.

use core::fmt;

use exchange::Proxy;
use ext2::{BlockStore, Clock, Ext2, MountError, MountOptions};
use interfaces::keep::Keeper;
use runtime::{StartError, log};

use crate::files::Files;
use crate::keeping::{self, Keeping};

/// Mounts `store`, or goes on from what `keeper` has of a predecessor's mount.
///
/// # Errors
/// What the mount, or the resumption, says. What was kept by a file system of
/// another version is an error, not lost.
pub fn mount<S, C>(
    store: S,
    clock: C,
    options: MountOptions,
    keeper: Option<Proxy<dyn Keeper>>,
) -> Result<Files<S, C>, StartError>
where
    S: BlockStore<Error: fmt::Display>,
    C: Clock,
{
    let Some(keeper) = keeper else {
        let mounted = first_mount(store, clock, options).map_err(StartError::new)?;
        return Ok(Files::new(mounted, None));
    };
    let (mounted, held) = match keeping::read_back(&keeper)? {
        Ok(kept) if !kept.is_empty() => {
            let pieces = kept.iter().map(|(piece, bytes)| (*piece, &bytes[..]));
            let resumed = Ext2::resume(store, clock, options, pieces);
            (resumed.map_err(StartError::new)?, kept.len() as u64)
        }
        nothing => {
            if let Err(damaged) = nothing {
                log::error!("ext2fs: changes since the last write-back are lost: {damaged}");
            }
            let mounted = first_mount(store, clock, options).map_err(StartError::new)?;
            (mounted, 0)
        }
    };
    Ok(Files::new(mounted, Some(Keeping::new(keeper, held))))
}

fn first_mount<S: BlockStore, C: Clock>(
    store: S,
    clock: C,
    options: MountOptions,
) -> Result<Ext2<S, C>, MountError<S::Error>> {
    let mounted = Ext2::mount(store, clock, options)?;
    let status = mounted.statfs();
    if status.is_damaged || status.is_unchecked {
        log::warn!("ext2fs: the file system was not left cleanly; e2fsck should check it");
    }
    Ok(mounted)
}
