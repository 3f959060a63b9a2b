//! Segments and relocations of an image, checked once, followed blindly after.

use elf::ElfBytes;
use elf::abi;
use elf::endian::LittleEndian;

use crate::ImageError;

/// Bytes in a page: segments never share one.
pub const PAGE_SIZE: u64 = 4096;

/// Most loadable segments in an image.
pub const MAX_SEGMENTS: usize = 8;

/// Most bytes an image may take up in memory.
const MAX_SIZE: u64 = 64 << 20;

/// Bytes of one entry of the relocation table.
const RELOCATION_SIZE: usize = 24;

/// What may be done with the bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    ReadExecute,
}

/// One loadable segment. Addresses count from the start of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it lies; not always the start of a page.
    pub address: u64,
    /// Bytes in memory; those beyond the file's are zero.
    pub memory_size: u64,
    /// Where its bytes lie in the ELF file.
    pub file_offset: u64,
    /// Bytes in the file, at most `memory_size`.
    pub file_size: u64,
    /// What may be done with it.
    pub permissions: Permissions,
}

impl Segment {
    const EMPTY: Self = Self {
        address: 0,
        memory_size: 0,
        file_offset: 0,
        file_size: 0,
        permissions: Permissions::Read,
    };

    /// First page of the segment, as an address.
    #[must_use]
    pub const fn first_page(&self) -> u64 {
        self.address & !(PAGE_SIZE - 1)
    }

    /// First page after the segment, as an address.
    #[must_use]
    pub const fn end_page(&self) -> u64 {
        (self.address + self.memory_size + PAGE_SIZE - 1) & !(PAGE_SIZE - 1)
    }

    /// First address after the segment.
    const fn end(&self) -> u64 {
        self.address + self.memory_size
    }
}

/// "Add the load address": the value at `offset` becomes base + `addend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Where the eight bytes lie, in a writable segment.
    pub offset: u64,
    /// Address within the image that they are to point to.
    pub addend: u64,
}

/// What a loader needs to know of an image, all of it checked.
///
/// Segments ascend and share no page; none is writable and executable; file
/// ranges lie in the file; relocations lie in writable segments and point into
/// the image; the entry point lies in an executable segment.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    elf: &'a [u8],
    segments: [Segment; MAX_SEGMENTS],
    segment_count: usize,
    entry: u64,
    relocations: &'a [u8],
}

impl<'a> Layout<'a> {
    /// Reads and checks the program headers and relocations of an ELF file.
    ///
    /// # Errors
    /// The [`ImageError`] that names the first check that failed.
    pub fn parse(elf: &'a [u8]) -> Result<Self, ImageError> {
        let file = parse_header(elf)?;
        let mut layout = Self {
            elf,
            segments: [Segment::EMPTY; MAX_SEGMENTS],
            segment_count: 0,
            entry: file.ehdr.e_entry,
            relocations: &[],
        };
        let mut dynamic = None;
        for header in file.segments().ok_or(ImageError::NotElf)? {
            match header.p_type {
                abi::PT_LOAD => layout.add_segment(&header)?,
                abi::PT_DYNAMIC => dynamic = Some(header),
                abi::PT_GNU_STACK if header.p_flags & abi::PF_X == 0 => {}
                abi::PT_NULL
                | abi::PT_PHDR
                | abi::PT_NOTE
                | abi::PT_GNU_EH_FRAME
                | abi::PT_GNU_PROPERTY
                | abi::PT_GNU_RELRO => {}
                kind => return Err(ImageError::ForbiddenSegment { kind }),
            }
        }
        layout.check_entry()?;
        if let Some(header) = dynamic {
            layout.relocations = layout.find_relocations(header.p_vaddr, header.p_filesz)?;
            layout.check_relocations()?;
        }
        Ok(layout)
    }

    /// The segments, ascending by address.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        self.segments.get(..self.segment_count).unwrap_or_default()
    }

    /// The bytes of a segment of this layout that come from the file.
    #[must_use]
    pub fn segment_bytes(&self, segment: &Segment) -> &'a [u8] {
        file_range(self.elf, segment.file_offset, segment.file_size).unwrap_or_default()
    }

    /// Address of the entry point.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.entry
    }

    /// Bytes the image spans in memory, whole pages.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.segments().last().map_or(0, Segment::end_page)
    }

    /// The relocations, each checked.
    pub fn relocations(&self) -> impl ExactSizeIterator<Item = Relocation> + 'a {
        self.relocations
            .as_chunks::<RELOCATION_SIZE>()
            .0
            .iter()
            .map(|entry| Relocation {
                offset: word(entry, 0),
                addend: word(entry, 16),
            })
    }

    fn add_segment(&mut self, header: &elf::segment::ProgramHeader) -> Result<(), ImageError> {
        if header.p_memsz == 0 {
            return Ok(());
        }
        let address = header.p_vaddr;
        let segment = Segment {
            address,
            memory_size: header.p_memsz,
            file_offset: header.p_offset,
            file_size: header.p_filesz,
            permissions: permissions(header.p_flags, address)?,
        };
        let bad = ImageError::BadSegment { address };
        if address > MAX_SIZE || header.p_memsz > MAX_SIZE {
            return Err(ImageError::TooLarge);
        }
        let previous_end = self.size();
        if header.p_filesz > header.p_memsz
            || segment.first_page() < previous_end
            || file_range(self.elf, header.p_offset, header.p_filesz).is_none()
        {
            return Err(bad);
        }
        let place = self
            .segments
            .get_mut(self.segment_count)
            .ok_or(ImageError::TooLarge)?;
        *place = segment;
        self.segment_count += 1;
        Ok(())
    }

    fn check_entry(&self) -> Result<(), ImageError> {
        let is_code = |segment: &Segment| {
            segment.permissions == Permissions::ReadExecute
                && (segment.address..segment.end()).contains(&self.entry)
        };
        if self.segments().iter().any(is_code) {
            Ok(())
        } else {
            Err(ImageError::BadEntry {
                address: self.entry,
            })
        }
    }

    /// Reads the dynamic table at `address` and finds the relocations in it.
    fn find_relocations(&self, address: u64, size: u64) -> Result<&'a [u8], ImageError> {
        let table = self
            .bytes_at(address, size)
            .ok_or(ImageError::BadRelocationTable)?;
        let (mut start, mut length) = (0, 0);
        for entry in table.as_chunks::<16>().0 {
            let (tag, value) = (word(entry, 0).cast_signed(), word(entry, 8));
            match tag {
                abi::DT_NULL => break,
                abi::DT_RELA => start = value,
                abi::DT_RELASZ => length = value,
                abi::DT_RELAENT if value == RELOCATION_SIZE as u64 => {}
                // Harmless: tables of the dynamic symbols an image does not
                // have, and hints to a dynamic linker that never runs.
                abi::DT_HASH
                | abi::DT_GNU_HASH
                | abi::DT_STRTAB
                | abi::DT_SYMTAB
                | abi::DT_STRSZ
                | abi::DT_SYMENT
                | abi::DT_DEBUG
                | abi::DT_FLAGS
                | abi::DT_FLAGS_1
                | abi::DT_RELACOUNT
                | abi::DT_SYMBOLIC
                | abi::DT_BIND_NOW => {}
                _ => return Err(ImageError::ForbiddenDynamicEntry { tag }),
            }
        }
        if length == 0 {
            return Ok(&[]);
        }
        if length % RELOCATION_SIZE as u64 != 0 {
            return Err(ImageError::BadRelocationTable);
        }
        self.bytes_at(start, length)
            .ok_or(ImageError::BadRelocationTable)
    }

    fn check_relocations(&self) -> Result<(), ImageError> {
        let size = self.size();
        for entry in self.relocations.as_chunks::<RELOCATION_SIZE>().0 {
            let (address, information, addend) = (word(entry, 0), word(entry, 8), word(entry, 16));
            if information != u64::from(abi::R_X86_64_RELATIVE) {
                #[expect(clippy::cast_possible_truncation, reason = "the type is the low half")]
                let kind = information as u32;
                return Err(ImageError::ForbiddenRelocation { kind });
            }
            let fits = |segment: &Segment| {
                segment.permissions == Permissions::ReadWrite
                    && address >= segment.address
                    && address
                        .checked_add(8)
                        .is_some_and(|end| end <= segment.end())
            };
            if addend > size || !self.segments().iter().any(fits) {
                return Err(ImageError::BadRelocation { address });
            }
        }
        Ok(())
    }

    /// The bytes of the file that are loaded at `address`.
    fn bytes_at(&self, address: u64, size: u64) -> Option<&'a [u8]> {
        let end = address.checked_add(size)?;
        let segment = self.segments().iter().find(|segment| {
            segment.address <= address && end <= segment.address + segment.file_size
        })?;
        let offset = segment.file_offset + (address - segment.address);
        file_range(self.elf, offset, size)
    }
}

/// Checks that the file is for x86-64.
pub(crate) fn parse_any_header(elf: &[u8]) -> Result<ElfBytes<'_, LittleEndian>, ImageError> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(elf).map_err(|_| ImageError::NotElf)?;
    if file.ehdr.class != elf::file::Class::ELF64 || file.ehdr.e_machine != abi::EM_X86_64 {
        return Err(ImageError::NotElf);
    }
    Ok(file)
}

/// Checks that the file is an x86-64 position-independent executable.
pub(crate) fn parse_header(elf: &[u8]) -> Result<ElfBytes<'_, LittleEndian>, ImageError> {
    let file = parse_any_header(elf)?;
    if file.ehdr.e_type != abi::ET_DYN {
        return Err(ImageError::NotPositionIndependent);
    }
    Ok(file)
}

fn permissions(flags: u32, address: u64) -> Result<Permissions, ImageError> {
    match (flags & abi::PF_W != 0, flags & abi::PF_X != 0) {
        (true, true) => Err(ImageError::WritableCode { address }),
        (true, false) => Ok(Permissions::ReadWrite),
        (false, true) => Ok(Permissions::ReadExecute),
        (false, false) => Ok(Permissions::Read),
    }
}

fn file_range(file: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    file.get(start..end)
}

/// The little-endian word at `offset` of a table entry that is longer.
fn word<const N: usize>(entry: &[u8; N], offset: usize) -> u64 {
    entry
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
