//! Memory that driver and device share: queues, lists, descriptors.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// Physically contiguous memory shared with a device, as 64-bit words.
///
/// It is never freed while the domain lives: the kernel takes it back after it
/// has quiesced the domain's devices, so no driver can free what its device
/// still writes to.
pub struct DmaRegion {
    words: &'static [AtomicU64],
    physical: u64,
}

impl fmt::Debug for DmaRegion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DmaRegion({} bytes)", self.bytes())
    }
}

impl DmaRegion {
    /// A region from its words, which the device sees at `physical`.
    pub(crate) const fn new(words: &'static [AtomicU64], physical: u64) -> Self {
        Self { words, physical }
    }

    /// Bytes in the region.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.words.len() * 8
    }

    /// Address of the region as the device sees it; page-aligned.
    #[must_use]
    pub const fn physical(&self) -> u64 {
        self.physical
    }

    /// Address of the first byte, which lies where the region does for the domain.
    pub(crate) const fn start(&self) -> *const u8 {
        self.words.as_ptr().cast()
    }

    /// Reads a word by its number.
    ///
    /// # Panics
    /// Outside the region, as all methods.
    #[inline]
    #[must_use]
    pub fn read(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::Relaxed)
    }

    /// Reads a word by its number; what the device stored before it stored this
    /// word is visible to what is read afterwards.
    #[inline]
    #[must_use]
    pub fn read_acquire(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::Acquire)
    }

    /// Writes a word.
    #[inline]
    pub fn write(&self, word: usize, value: u64) {
        self.words[word].store(value, Ordering::Relaxed);
    }

    /// Writes consecutive words from number `first` on.
    #[inline]
    pub fn write_all<const N: usize>(&self, first: usize, values: &[u64; N]) {
        for (word, value) in self.words[first..first + N].iter().zip(values) {
            word.store(*value, Ordering::Relaxed);
        }
    }

    /// Zeroes the region.
    pub fn clear(&self) {
        for word in self.words {
            word.store(0, Ordering::Relaxed);
        }
        fence(Ordering::Release);
    }

    /// Copies bytes out, from byte `offset` (a multiple of 8) on.
    pub fn copy_to(&self, offset: usize, into: &mut [u8]) {
        let words = self.words_of(offset, into.len());
        let (whole, rest) = into.split_at_mut(into.len() / 8 * 8);
        // SAFETY: the region has so many words, and the buffer as many bytes.
        unsafe { copy_words(words.as_ptr().cast(), whole.as_mut_ptr(), whole.len() / 8) };
        if let Some(word) = words.last().filter(|_| !rest.is_empty()) {
            let bytes = word.load(Ordering::Relaxed).to_le_bytes();
            rest.copy_from_slice(&bytes[..rest.len()]);
        }
    }

    /// Copies bytes in, from byte `offset` (a multiple of 8) on; the last word
    /// is filled with zeros.
    pub fn copy_from(&self, offset: usize, from: &[u8]) {
        let words = self.words_of(offset, from.len());
        let (whole, rest) = from.split_at(from.len() / 8 * 8);
        let start = words.as_ptr().cast_mut().cast();
        // SAFETY: as in `copy_to`; the words are atomics, which may be written through
        // a shared reference.
        unsafe { copy_words(whole.as_ptr(), start, whole.len() / 8) };
        if let Some(word) = words.last().filter(|_| !rest.is_empty()) {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
    }

    /// The words that bytes from `offset` on lie in.
    fn words_of(&self, offset: usize, bytes: usize) -> &[AtomicU64] {
        assert!(offset.is_multiple_of(8), "copies start at whole words");
        &self.words[offset / 8..][..bytes.div_ceil(8)]
    }
}

/// Copies words by one instruction, since to the language what a device may change at any
/// time is words to be read one at a time.
///
/// # Safety
/// Both hold so many words, and nobody but a device writes to them meanwhile.
unsafe fn copy_words(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise; the direction flag is clear, as the ABI has it.
    unsafe {
        core::arch::asm!(
            "rep movsq",
            inout("rcx") count => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags),
        );
    }
}
