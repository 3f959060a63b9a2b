//! Files of the host: disks and the boot archive.

use core::ffi::CStr;

use kernel_core::machine::HostFileRequest;

use crate::system_call::{Errno, descriptor_argument, system_call};

/// A host file that serves as a disk: its size is fixed while it is open.
#[derive(Debug)]
pub struct Disk {
    file: i32,
    bytes: u64,
}

impl Disk {
    /// Opens `path` for reading and writing, and for this process alone.
    pub fn open(path: &CStr) -> Result<Self, Errno> {
        let file = open(path, libc::O_RDWR)?;
        // SAFETY: the descriptor is ours.
        if unsafe { libc::flock(file, libc::LOCK_EX | libc::LOCK_NB) } != 0 {
            return Err(Errno(libc::EBUSY));
        }
        let bytes = size(file)?;
        Ok(Self { file, bytes })
    }

    /// See [`kernel_core::machine::Machine::host_file`].
    pub fn operate(&self, request: HostFileRequest<'_>) -> Option<u64> {
        match request {
            HostFileRequest::Size => Some(self.bytes),
            HostFileRequest::Read(offset, buffer) => self.transfer(
                libc::SYS_pread64,
                offset,
                buffer.as_mut_ptr() as usize,
                buffer.len(),
            ),
            HostFileRequest::Write(offset, data) => self.transfer(
                libc::SYS_pwrite64,
                offset,
                data.as_ptr() as usize,
                data.len(),
            ),
            HostFileRequest::Sync => {
                let arguments = [descriptor_argument(self.file), 0, 0, 0, 0, 0];
                // SAFETY: it touches no memory.
                unsafe { system_call(libc::SYS_fdatasync, arguments) }.ok()?;
                Some(0)
            }
        }
    }

    /// Reads or writes as much as lies within the file; the bytes moved.
    fn transfer(&self, call: i64, offset: u64, address: usize, length: usize) -> Option<u64> {
        let length = self.bytes.checked_sub(offset)?.min(length as u64) as usize;
        let mut done = 0;
        while done < length {
            let arguments = [
                descriptor_argument(self.file),
                address + done,
                length - done,
                offset as usize + done,
                0,
                0,
            ];
            // SAFETY: address and length are those of a buffer that the request
            // borrows, mutably for a read.
            match unsafe { system_call(call, arguments) } {
                // The file has become shorter behind our back.
                Ok(0) => return None,
                Ok(bytes) => done += bytes,
                Err(Errno::INTERRUPTED) => {}
                Err(_) => return None,
            }
        }
        Some(done as u64)
    }
}

/// Maps a file read-only for as long as the process runs.
pub fn map_read_only(path: &CStr) -> Result<&'static [u8], Errno> {
    let file = open(path, libc::O_RDONLY)?;
    let length = mapped_size(file)?;
    let address = map(length, libc::PROT_READ, libc::MAP_PRIVATE, file)?;
    // SAFETY: the mapping is readable, `length` bytes long and never removed.
    // Whoever changes the file meanwhile breaks the system, as if RAM failed.
    Ok(unsafe { core::slice::from_raw_parts(address.cast(), length) })
}

/// A copy of a file that stays as it is, read-only, as long as the process runs:
/// a mapping would show later changes of the file, after its check.
pub fn read(path: &CStr) -> Result<&'static [u8], Errno> {
    let file = open(path, libc::O_RDONLY)?;
    let length = mapped_size(file)?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let address = map(length, libc::PROT_READ | libc::PROT_WRITE, flags, -1)?;
    // SAFETY: the mapping is ours, zeroed, `length` bytes long and never removed.
    let bytes = unsafe { core::slice::from_raw_parts_mut(address.cast(), length) };
    let disk = Disk {
        file,
        bytes: length as u64,
    };
    if disk.operate(HostFileRequest::Read(0, bytes)) != Some(length as u64) {
        return Err(Errno(libc::EIO));
    }
    // SAFETY: it changes the rights to the mapping alone, and nobody writes to it.
    if unsafe { libc::mprotect(address, length, libc::PROT_READ) } != 0 {
        return Err(Errno::last());
    }
    Ok(bytes)
}

/// Bytes in a file that is to be mapped or copied as a whole.
fn mapped_size(file: i32) -> Result<usize, Errno> {
    usize::try_from(size(file)?).map_err(|_| Errno(libc::EFBIG))
}

/// A mapping at an address of the system's choice.
fn map(length: usize, rights: i32, flags: i32, file: i32) -> Result<*mut libc::c_void, Errno> {
    // SAFETY: a mapping that overlaps no other disturbs nothing.
    let address = unsafe { libc::mmap(core::ptr::null_mut(), length, rights, flags, file, 0) };
    if address == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    Ok(address)
}

fn open(path: &CStr, flags: i32) -> Result<i32, Errno> {
    // SAFETY: the path is a zero-terminated string.
    let file = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
    if file < 0 {
        return Err(Errno::last());
    }
    Ok(file)
}

/// Bytes in a file or block device.
fn size(file: i32) -> Result<u64, Errno> {
    // SAFETY: the descriptor is ours.
    let end = unsafe { libc::lseek(file, 0, libc::SEEK_END) };
    u64::try_from(end).map_err(|_| Errno::last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::vec;

    fn scratch(name: &str, bytes: &[u8]) -> CString {
        let path = std::env::temp_dir().join(format!("redleaf-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).expect("the temporary folder is writable");
        CString::new(path.into_os_string().into_encoded_bytes()).expect("paths have no zero")
    }

    fn remove(path: &CStr) {
        std::fs::remove_file(path.to_str().expect("the path is UTF-8")).expect("the file is there");
    }

    #[test]
    fn a_disk_reads_and_writes_within_its_size() {
        let path = scratch("disk", &[7; 5000]);
        let disk = Disk::open(&path).expect("the file is there");
        assert_eq!(disk.operate(HostFileRequest::Size), Some(5000));
        let write = HostFileRequest::Write(4096, &[1; 1000]);
        assert_eq!(disk.operate(write), Some(904));
        let mut buffer = vec![0; 1024];
        let read = HostFileRequest::Read(4095, &mut buffer);
        assert_eq!(disk.operate(read), Some(905));
        assert_eq!(
            (buffer[0], buffer[1], buffer[904], buffer[905]),
            (7, 1, 1, 0)
        );
        assert_eq!(
            disk.operate(HostFileRequest::Read(5000, &mut buffer)),
            Some(0)
        );
        assert_eq!(disk.operate(HostFileRequest::Read(5001, &mut buffer)), None);
        assert_eq!(disk.operate(HostFileRequest::Sync), Some(0));
        remove(&path);
    }

    #[test]
    fn a_disk_is_open_once() {
        let path = scratch("locked", &[0; 512]);
        let _disk = Disk::open(&path).expect("the file is there");
        let second = Disk::open(&path).expect_err("the file is in use");
        assert_eq!(second, Errno(libc::EBUSY));
        remove(&path);
        let gone = Disk::open(&path).expect_err("the file is gone");
        assert_eq!(gone, Errno(libc::ENOENT));
    }

    #[test]
    fn a_file_is_mapped_as_it_is() {
        let path = scratch("archive", b"ustar");
        assert_eq!(map_read_only(&path), Ok(&b"ustar"[..]));
        remove(&path);
    }

    #[test]
    fn a_file_that_was_read_stays_as_it_was() {
        let path = scratch("read", &[1; 10_000]);
        let bytes = read(&path).expect("the file is there");
        std::fs::write(path.to_str().expect("the path is UTF-8"), [2; 10_000])
            .expect("the file is ours");
        assert_eq!(bytes, [1; 10_000]);
        remove(&path);
        assert_eq!(read(&path), Err(Errno(libc::ENOENT)));
    }
}
