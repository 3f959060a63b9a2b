//! Reading and writing, as `std::io`.

mod buffered;
mod error;
mod stdio;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::fs::File;

pub use buffered::{BufReader, BufWriter, Lines};
pub use error::{Error, ErrorKind, Result};
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};

pub(crate) use stdio::{flush_stdout, give_back_stdin};

/// Bytes read at once where nobody says how many.
pub const BUFFER_BYTES: usize = 16 * 1024;

/// Something bytes can be read from.
pub trait Read {
    /// Reads some bytes; 0 at the end.
    ///
    /// # Errors
    /// As the system call.
    fn read(&mut self, into: &mut [u8]) -> Result<usize>;

    /// Reads until `into` is full.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`], or as the system call.
    fn read_exact(&mut self, into: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < into.len() {
            match self.read(&mut into[filled..])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        Ok(())
    }

    /// Reads everything that is left; how many bytes.
    ///
    /// # Errors
    /// As the system call.
    fn read_to_end(&mut self, into: &mut Vec<u8>) -> Result<usize> {
        let start = into.len();
        let mut filled = start;
        loop {
            into.resize((filled + BUFFER_BYTES).max(filled * 2), 0);
            let count = self.read(&mut into[filled..])?;
            filled += count;
            if count == 0 {
                into.truncate(filled);
                return Ok(filled - start);
            }
        }
    }

    /// Reads everything that is left as text; how many bytes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] if it is not UTF-8, or as the system call.
    fn read_to_string(&mut self, into: &mut String) -> Result<usize> {
        let mut bytes = Vec::new();
        let count = self.read_to_end(&mut bytes)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| ErrorKind::InvalidData)?;
        into.push_str(text);
        Ok(count)
    }
}

/// Something bytes can be written to.
pub trait Write {
    /// Writes some bytes.
    ///
    /// # Errors
    /// As the system call.
    fn write(&mut self, from: &[u8]) -> Result<usize>;

    /// Sees to it that everything written arrives.
    ///
    /// # Errors
    /// As the system call.
    fn flush(&mut self) -> Result<()>;

    /// Writes all bytes.
    ///
    /// # Errors
    /// As the system call.
    fn write_all(&mut self, from: &[u8]) -> Result<()> {
        let mut rest = from;
        while !rest.is_empty() {
            match self.write(rest)? {
                0 => return Err(ErrorKind::WriteZero.into()),
                count => rest = &rest[count..],
            }
        }
        Ok(())
    }

    /// Writes formatted text; what `write!` calls.
    ///
    /// # Errors
    /// As the system call.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<()> {
        let mut adapter = Adapter {
            inner: self,
            error: Ok(()),
        };
        match fmt::Write::write_fmt(&mut adapter, text) {
            Ok(()) => Ok(()),
            Err(_) => adapter.error.and(Err(ErrorKind::InvalidData.into())),
        }
    }
}

/// Keeps the error that `fmt::Error` has no room for.
struct Adapter<'a, W: ?Sized> {
    inner: &'a mut W,
    error: Result<()>,
}

impl<W: Write + ?Sized> fmt::Write for Adapter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.inner.write_all(text.as_bytes()).map_err(|error| {
            self.error = Err(error);
            fmt::Error
        })
    }
}

/// Something with an offset.
pub trait Seek {
    /// Moves the offset; the new one.
    ///
    /// # Errors
    /// As `lseek`.
    fn seek(&mut self, to: SeekFrom) -> Result<u64>;
}

/// Where to move an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekFrom {
    /// From the start.
    Start(u64),
    /// From the end.
    End(i64),
    /// From where it is.
    Current(i64),
}

/// Something with bytes already read.
pub trait BufRead: Read {
    /// The bytes read and not consumed; empty at the end.
    ///
    /// # Errors
    /// As the system call.
    fn fill_buf(&mut self) -> Result<&[u8]>;

    /// Consumes bytes of [`Self::fill_buf`].
    fn consume(&mut self, count: usize);

    /// Reads up to and with `end`, or to the end; how many bytes.
    ///
    /// # Errors
    /// As the system call.
    fn read_until(&mut self, end: u8, into: &mut Vec<u8>) -> Result<usize> {
        let mut total = 0;
        loop {
            let buffer = self.fill_buf()?;
            let found = buffer.iter().position(|byte| *byte == end);
            let count = found.map_or(buffer.len(), |at| at + 1);
            into.extend_from_slice(&buffer[..count]);
            self.consume(count);
            total += count;
            if found.is_some() || count == 0 {
                return Ok(total);
            }
        }
    }

    /// Reads a line with its newline; how many bytes. Bytes that are not UTF-8
    /// are replaced.
    ///
    /// # Errors
    /// As the system call.
    fn read_line(&mut self, into: &mut String) -> Result<usize> {
        let mut bytes = Vec::new();
        let count = self.read_until(b'\n', &mut bytes)?;
        into.push_str(&String::from_utf8_lossy(&bytes));
        Ok(count)
    }

    /// All lines, without their newlines.
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines::new(self)
    }
}

impl<R: Read + ?Sized> Read for &mut R {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        (**self).read(into)
    }
}

impl<R: Read + ?Sized> Read for Box<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        (**self).read(into)
    }
}

impl<R: BufRead + ?Sized> BufRead for Box<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        (**self).fill_buf()
    }

    fn consume(&mut self, count: usize) {
        (**self).consume(count);
    }
}

impl<W: Write + ?Sized> Write for &mut W {
    fn write(&mut self, from: &[u8]) -> Result<usize> {
        (**self).write(from)
    }

    fn flush(&mut self) -> Result<()> {
        (**self).flush()
    }
}

impl Read for &[u8] {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let count = self.len().min(into.len());
        let (now, later) = self.split_at(count);
        into[..count].copy_from_slice(now);
        *self = later;
        Ok(count)
    }
}

impl BufRead for &[u8] {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        Ok(self)
    }

    fn consume(&mut self, count: usize) {
        *self = &self[count..];
    }
}

impl Write for Vec<u8> {
    fn write(&mut self, from: &[u8]) -> Result<usize> {
        self.extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The file an operand names; standard input if that is `-`.
///
/// # Errors
/// As `open`.
pub fn input(operand: &str) -> Result<Box<dyn BufRead>> {
    Ok(match operand {
        "-" => Box::new(stdin()),
        _ => Box::new(BufReader::new(File::open(operand)?)),
    })
}

/// Copies everything that is left; how many bytes.
///
/// # Errors
/// As the system calls.
pub fn copy(from: &mut (impl Read + ?Sized), to: &mut (impl Write + ?Sized)) -> Result<u64> {
    let mut buffer = alloc::vec![0; 4 * BUFFER_BYTES];
    let mut total = 0;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(total);
        }
        to.write_all(&buffer[..count])?;
        total += count as u64;
    }
}
