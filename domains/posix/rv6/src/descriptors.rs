//! The table of a process's descriptors.

use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::process::{DESCRIPTOR_MAX, DescriptorMap};

use crate::errno::{Errno, Outcome};

/// Which open file each descriptor of a process refers to.
///
/// Generic so that tests can fill it with something simple.
pub struct Descriptors<F> {
    files: Vec<Option<Arc<F>>>,
}

impl<F> Descriptors<F> {
    /// A table without a descriptor.
    #[must_use]
    pub const fn new() -> Self {
        Self { files: Vec::new() }
    }

    /// What a descriptor refers to.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get(&self, descriptor: u32) -> Outcome<Arc<F>> {
        let file = usize::try_from(descriptor)
            .ok()
            .and_then(|index| self.files.get(index));
        file.and_then(Clone::clone).ok_or(Errno::EBADF)
    }

    /// Gives a file the lowest free descriptor.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn add(&mut self, file: Arc<F>) -> Outcome<u32> {
        let free = self
            .files
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.files.len());
        let number = u32::try_from(free).map_err(|_| Errno::EMFILE)?;
        self.set(number, file).map_err(|_| Errno::EMFILE)?;
        Ok(number)
    }

    /// Gives a file this descriptor; what the descriptor referred to before.
    ///
    /// # Errors
    /// `EBADF` when the number is too large.
    pub fn set(&mut self, descriptor: u32, file: Arc<F>) -> Outcome<Option<Arc<F>>> {
        let index = usize::try_from(descriptor).map_err(|_| Errno::EBADF)?;
        if index >= DESCRIPTOR_MAX {
            return Err(Errno::EBADF);
        }
        if index >= self.files.len() {
            self.files.resize_with(index + 1, || None);
        }
        Ok(self.files[index].replace(file))
    }

    /// Forgets a descriptor; what it referred to, for the caller to drop
    /// outside of any lock.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn remove(&mut self, descriptor: u32) -> Outcome<Arc<F>> {
        let index = usize::try_from(descriptor).map_err(|_| Errno::EBADF)?;
        self.files
            .get_mut(index)
            .and_then(Option::take)
            .ok_or(Errno::EBADF)
    }

    /// The table a new process starts with.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn inherit(&self, maps: &[DescriptorMap]) -> Outcome<Self> {
        let mut child = Self::new();
        for map in maps {
            child.set(map.child, self.get(map.parent)?)?;
        }
        Ok(child)
    }

    /// Every descriptor and what it refers to.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Arc<F>)> {
        let numbered = (0..).zip(&self.files);
        numbered.filter_map(|(number, file)| Some((number, file.as_ref()?)))
    }

    /// How many descriptors there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.files.iter().flatten().count()
    }
}

impl<F> Default for Descriptors<F> {
    fn default() -> Self {
        Self::new()
    }
}
