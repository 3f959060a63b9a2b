//! Buffers in front of files.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{BUFFER_BYTES, BufRead, Read, Result, Write};

/// Reads from `R` in large pieces.
#[derive(Debug)]
pub struct BufReader<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> BufReader<R> {
    /// A reader with an empty buffer.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
        }
    }
}

impl<R: Read> Read for BufReader<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.start == self.end && into.len() >= self.buffer.len() {
            return self.inner.read(into);
        }
        let mut available = self.fill_buf()?;
        let count = available.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for BufReader<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.end = self.inner.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }
}

/// Writes to `W` in large pieces. Flush it: what is still in the buffer when it
/// is dropped is written too, but errors are lost then.
#[derive(Debug)]
pub struct BufWriter<W: Write> {
    inner: W,
    buffer: Vec<u8>,
}

impl<W: Write> BufWriter<W> {
    /// A writer with an empty buffer.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            buffer: Vec::with_capacity(BUFFER_BYTES),
        }
    }
}

impl<W: Write> Write for BufWriter<W> {
    fn write(&mut self, from: &[u8]) -> Result<usize> {
        if self.buffer.len() + from.len() > BUFFER_BYTES {
            let full = core::mem::take(&mut self.buffer);
            self.inner.write_all(&full)?;
            self.buffer = full;
            self.buffer.clear();
        }
        if from.len() >= BUFFER_BYTES {
            return self.inner.write(from);
        }
        self.buffer.extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> Result<()> {
        let waiting = core::mem::take(&mut self.buffer);
        self.inner.write_all(&waiting)?;
        self.inner.flush()
    }
}

impl<W: Write> Drop for BufWriter<W> {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// The lines of a reader.
#[derive(Debug)]
pub struct Lines<R> {
    inner: R,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(inner: R) -> Self {
        Self { inner }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        match self.inner.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                if line.ends_with('\n') {
                    line.pop();
                }
                Some(Ok(line))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> Result<usize> {
            let count = into.len().min(1);
            self.0.read(&mut into[..count])
        }
    }

    #[test]
    fn lines_of_a_slow_reader() {
        let lines: Result<Vec<String>> = BufReader::new(Drip(b"a\n\nbc\nlast")).lines().collect();
        assert_eq!(lines.unwrap(), ["a", "", "bc", "last"]);
    }

    #[test]
    fn a_writer_keeps_the_order() {
        let mut written = Vec::new();
        let mut expected = Vec::new();
        let mut writer = BufWriter::new(&mut written);
        for length in [1, BUFFER_BYTES - 1, 1, 3 * BUFFER_BYTES, 7, BUFFER_BYTES, 2] {
            let piece = vec![u8::try_from(length % 251).unwrap(); length];
            writer.write_all(&piece).unwrap();
            expected.extend_from_slice(&piece);
        }
        drop(writer);
        assert_eq!(written, expected);
    }

    #[test]
    fn everything_is_read() {
        let mut all = vec![9];
        assert_eq!(Drip(b"hello").read_to_end(&mut all).unwrap(), 5);
        assert_eq!(all, b"\x09hello");
        let mut exact = [0; 6];
        assert!(Drip(b"hello").read_exact(&mut exact).is_err());
    }
}
