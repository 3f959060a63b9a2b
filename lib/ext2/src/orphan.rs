//! Inodes without a name: kept while retained, listed on the disk meanwhile.
//!
//! An unlinked inode that is still retained stands on the superblock's orphan
//! list, chained through the deletion time, so that the next mount deletes it
//! if the system stops before the last release.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::bytes::{put_u32, u32_at};
use crate::cache::Content;
use crate::error::{Corruption, Error};
use crate::inode::Inode;
use crate::outcome::Outcome;
use crate::{BlockStore, Clock, Ext2, InodeNumber};

const ATTRIBUTE_MAGIC: u32 = 0xEA02_0000;
const ATTRIBUTE_REFERENCES: usize = 4;

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// Keeps an inode in being, even without links, until as many calls of
    /// [`release`](Ext2::release). Not remembered across mounts.
    pub fn retain(&mut self, inode: InodeNumber) -> Outcome<(), S> {
        self.inode(inode)?;
        let count = self.retained.entry(inode).or_insert(0);
        *count = count.saturating_add(1);
        self.session_changed = true;
        Ok(())
    }

    /// Takes back one [`retain`](Ext2::retain); the last one deletes an inode
    /// that was unlinked in between. `NotFound` if it was not retained.
    pub fn release(&mut self, number: InodeNumber) -> Outcome<(), S> {
        let count = self.retained.get_mut(&number).ok_or(Error::NotFound)?;
        self.session_changed = true;
        if *count > 1 {
            *count -= 1;
            return Ok(());
        }
        let inode = self.load_inode(number)?;
        if inode.links > 0 || self.read_only {
            self.retained.remove(&number);
            return Ok(());
        }
        self.prepare_to_delete(&inode)?;
        self.retained.remove(&number);
        self.modify(|fs| {
            fs.remove_orphan(number)?;
            let inode = fs.load_inode(number)?;
            fs.delete(inode)
        })
    }

    /// After the last link went: deletes the inode, or lists it while it is
    /// retained or the store cannot be read: then it is deleted at the end.
    pub(crate) fn drop_unlinked(&mut self, mut inode: Inode) -> Outcome<(), S> {
        if !self.retained.contains_key(&inode.number) {
            if self.prepare_to_delete(&inode).is_ok() {
                return self.delete(inode);
            }
            self.retained.insert(inode.number, 1);
            self.session_changed = true;
        }
        inode.dtime_s = self.superblock.last_orphan();
        self.superblock.set_last_orphan(inode.number);
        self.orphans.push(inode.number);
        self.store_inode(&inode)
    }

    /// Deletes the inodes that an earlier mount left on the list. A broken list
    /// is dropped, and the image marked for `e2fsck`.
    pub(crate) fn delete_orphans(&mut self) -> Outcome<(), S> {
        let mut next = self.superblock.last_orphan();
        if next == 0 {
            return Ok(());
        }
        self.modify(|fs| {
            fs.superblock.set_last_orphan(0);
            let mut seen = BTreeSet::new();
            while next != 0 {
                if !fs.is_ordinary(next) || !seen.insert(next) {
                    return Err(Corruption::OrphanList.into());
                }
                let mut inode = fs.load_inode(next)?;
                next = inode.dtime_s;
                if inode.links > 0 {
                    // Listed for a truncation that was cut short: finish it.
                    inode.dtime_s = 0;
                    let blocks = inode
                        .size
                        .div_ceil(u64::from(fs.superblock.geometry.block_bytes));
                    if inode.has_block_map(&fs.superblock.geometry) {
                        fs.free_from(&mut inode, blocks)?;
                    }
                    fs.store_inode(&inode)?;
                } else {
                    fs.delete(inode)?;
                }
            }
            Ok(())
        })
    }

    /// The inodes on the disk's list, oldest first.
    pub(crate) fn listed_orphans(&mut self) -> Outcome<Vec<InodeNumber>, S> {
        let mut list = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = self.superblock.last_orphan();
        while next != 0 {
            if !self.is_ordinary(next) || !seen.insert(next) {
                return Err(Corruption::OrphanList.into());
            }
            list.push(next);
            next = self.load_inode(next)?.dtime_s;
        }
        list.reverse();
        Ok(list)
    }

    fn remove_orphan(&mut self, number: InodeNumber) -> Outcome<(), S> {
        let place = self.orphans.iter().position(|orphan| *orphan == number);
        let Some(place) = place else {
            return Err(Corruption::OrphanList.into());
        };
        let older = place.checked_sub(1).map_or(0, |older| self.orphans[older]);
        match self.orphans.get(place + 1).copied() {
            None => self.superblock.set_last_orphan(older),
            Some(newer) => {
                let mut newer = self.load_inode(newer)?;
                newer.dtime_s = older;
                self.store_inode(&newer)?;
            }
        }
        self.orphans.remove(place);
        Ok(())
    }

    /// Reads what [`delete`](Ext2::delete) needs, as
    /// [`prepare_to_free`](Ext2::prepare_to_free) does.
    fn prepare_to_delete(&mut self, inode: &Inode) -> Outcome<(), S> {
        self.prepare_to_free(inode, 0)?;
        let group = self.superblock.geometry.group_of_inode(inode.number);
        let bitmap = self.groups.get(group).inode_bitmap;
        self.cache.get(bitmap)?;
        let block = inode.attributes;
        let has_block = crate::map::check_block(block, &self.superblock.geometry).is_ok();
        if has_block {
            self.cache.get(block)?;
        }
        Ok(())
    }

    /// Gives back an unlinked inode and everything it holds.
    pub(crate) fn delete(&mut self, mut inode: Inode) -> Outcome<(), S> {
        let is_directory = inode.is_directory();
        self.indexes.forget(inode.number);
        let result = match inode.has_block_map(&self.superblock.geometry) {
            true => self.free_from(&mut inode, 0),
            false => Ok(()),
        };
        let result = result.and_then(|()| self.release_attributes(&mut inode));
        inode.links = 0;
        inode.size = 0;
        inode.dtime_s = self.clock.now_s() as u32;
        self.store_inode(&inode)?;
        result?;
        self.free_inode(inode.number, is_directory)
    }

    /// Drops an inode's share in its block of extended attributes.
    fn release_attributes(&mut self, inode: &mut Inode) -> Outcome<(), S> {
        let block = core::mem::take(&mut inode.attributes);
        if block == 0 {
            return Ok(());
        }
        let geometry = self.superblock.geometry;
        inode.remove_blocks(1, &geometry);
        crate::map::check_block(block, &geometry)?;
        let bytes = self.cache.get(block)?;
        if u32_at(bytes, 0) != ATTRIBUTE_MAGIC {
            return Err(Corruption::AttributeBlock.into());
        }
        let references = u32_at(bytes, ATTRIBUTE_REFERENCES);
        if references <= 1 {
            return self.free_blocks(block, 1);
        }
        let bytes = self.cache.get_mut(block, Content::Metadata)?;
        put_u32(bytes, ATTRIBUTE_REFERENCES, references - 1);
        Ok(())
    }
}
