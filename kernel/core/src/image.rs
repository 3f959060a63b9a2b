//! Signed images: verified once, started many times.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::PAGE_SIZE;
use abi::grant::Entry;
use abi::note::{DomainNote, MAX_PARAMETERS, ParameterNote};
use abi::role::{ImageIdentity, Role};
use domain_image::{
    Identity, ImageError, Layout, Note, Permissions, PublicKey, SignatureError, SignedImage,
    Symbols,
};

use crate::charge::Charge;
use crate::crossing;
use crate::domain::Domain;
use crate::heap;
use crate::machine::Permission;
use crate::memory::{self, Frames, Reservation, SealedFrames};

/// Key the build signs images with, baked in when the kernel is built.
const PUBLIC_KEY: &str = match option_env!("REDLEAF_PUBLIC_KEY") {
    Some(key) => key,
    None => "",
};

/// The key that the build's images and boot archives are checked with.
///
/// # Errors
/// [`SignatureError::BadKey`] in a kernel that was built without one.
pub(crate) fn public_key() -> Result<PublicKey, SignatureError> {
    PublicKey::from_hex(PUBLIC_KEY)
}

/// Largest image file accepted.
pub const MAX_IMAGE_BYTES: usize = 16 << 20;

/// Why an image was not opened.
#[derive(Debug)]
pub enum OpenError {
    /// The file is not an image of this build.
    Image(ImageError),
    /// No memory to keep it.
    NoMemory,
    /// The file has more bytes than [`MAX_IMAGE_BYTES`].
    TooLarge,
    /// It does not fit what is left of its opener's quota.
    Quota,
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Image(error) => error.fmt(f),
            Self::NoMemory => f.write_str("no memory to keep the image"),
            Self::TooLarge => write!(f, "the image is larger than {MAX_IMAGE_BYTES} bytes"),
            Self::Quota => f.write_str("the image does not fit the memory quota of its opener"),
        }
    }
}

impl From<ImageError> for OpenError {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
}

/// Physical address of the first code and the first constants that were sealed, the
/// supervisor's, for stores on purpose.
static FIRST_CODE: AtomicU64 = AtomicU64::new(0);
static FIRST_CONSTANTS: AtomicU64 = AtomicU64::new(0);

fn first_of(permission: Permission) -> &'static AtomicU64 {
    match permission {
        Permission::ReadExecute => &FIRST_CODE,
        _ => &FIRST_CONSTANTS,
    }
}

/// Where the first code or constants of an image lie in the direct map.
pub(crate) fn first_shared(permission: Permission) -> usize {
    memory::direct(first_of(permission).load(Ordering::Relaxed)) as usize
}

struct Segment {
    first_page: usize,
    pages: usize,
    permission: Permission,
    /// Offset of the contents from the first page, and the contents' place in the file.
    offset: usize,
    file: core::ops::Range<usize>,
    /// Frames all domains of the image share; `None` for writable segments.
    shared: Option<SealedFrames>,
    /// Offset in the segment's pages and addend of each relocation.
    relocations: Vec<(usize, u64)>,
}

/// A verified image.
pub struct Image {
    elf: Vec<u8>,
    segments: Vec<Segment>,
    pages: usize,
    entry: usize,
    note: Box<DomainNote>,
    identity: ImageIdentity,
    /// For the copy of the file and what all domains of it share.
    _charge: Charge,
}

/// A domain's own instance of an image. Fields are dropped in this order:
/// unmapped, then the frames.
pub struct LoadedImage {
    reservation: Reservation,
    _frames: Vec<Frames>,
    private_pages: usize,
    image: Arc<Image>,
}

impl Image {
    /// Checks signature, build and structure of an image file and keeps it, of the
    /// quota of `opener`.
    ///
    /// # Errors
    /// [`OpenError`] names the first check that failed.
    pub fn open(file: &[u8], opener: &'static Domain) -> Result<Self, OpenError> {
        if file.len() > MAX_IMAGE_BYTES {
            return Err(OpenError::TooLarge);
        }
        let key = public_key().map_err(ImageError::Signature)?;
        let signed = SignedImage::check_while(file, &key, &mut || crossing::go_on().is_continue())?;
        let elf = signed.elf();
        let identity = copy_identity(signed.identity())?;
        let note = Note::parse(elf)?;
        note.check_build(abi::ABI_VERSION, abi::note::hash(abi::COMPILER.as_bytes()))?;
        let layout = Layout::parse(elf)?;
        let charge = Charge::for_bytes(opener, bytes_kept(elf, &layout)).ok_or(OpenError::Quota)?;
        let copy = heap::try_copy(elf).ok_or(OpenError::NoMemory)?;
        let mut segments = Vec::new();
        for segment in layout.segments() {
            let segment = open_segment(&layout, segment, elf)?;
            heap::try_push(&mut segments, segment).ok_or(OpenError::NoMemory)?;
        }
        Ok(Self {
            segments,
            pages: to_usize(layout.size()).div_ceil(PAGE_SIZE),
            entry: to_usize(layout.entry()),
            note: heap::try_box(copy_note(&note)).ok_or(OpenError::NoMemory)?,
            elf: copy,
            identity,
            _charge: charge,
        })
    }

    /// The image's description of itself.
    #[must_use]
    pub fn note(&self) -> &DomainNote {
        &self.note
    }

    /// Which image the build signed it as.
    #[must_use]
    pub const fn identity(&self) -> &ImageIdentity {
        &self.identity
    }

    /// What it is, by its signature.
    #[must_use]
    pub fn role(&self) -> Role {
        Role::from_number(self.identity.role).expect("`open` has checked the number")
    }

    /// Maps an instance of the image for a new domain; `None`: no memory.
    #[must_use]
    pub fn load(self: &Arc<Self>) -> Option<LoadedImage> {
        // Made first, so dropped last when one of them cannot be mapped.
        let mut frames = Vec::new();
        let mut reservation = Reservation::new(self.pages)?;
        let base = reservation.start() as u64;
        let mut private_pages = 0;
        for segment in &self.segments {
            let address = if let Some(shared) = &segment.shared {
                shared.address()
            } else {
                let private = self.fill(segment, base)?;
                let address = private.address();
                private_pages += segment.pages;
                heap::try_push(&mut frames, private)?;
                address
            };
            reservation.map(
                segment.first_page,
                address,
                segment.pages,
                segment.permission,
            )?;
        }
        Some(LoadedImage {
            reservation,
            _frames: frames,
            private_pages,
            image: Arc::clone(self),
        })
    }

    /// Frames with a segment's contents, relocated to `base`.
    fn fill(&self, segment: &Segment, base: u64) -> Option<Frames> {
        let frames = Frames::zeroed(segment.pages)?;
        let contents = &self.elf[segment.file.clone()];
        // SAFETY: the checked layout says that contents and relocation targets
        // lie within the segment's pages.
        unsafe {
            let start = frames.direct();
            start
                .add(segment.offset)
                .copy_from_nonoverlapping(contents.as_ptr(), contents.len());
            for &(offset, addend) in &segment.relocations {
                start
                    .add(offset)
                    .cast::<u64>()
                    .write_unaligned(base.wrapping_add(addend));
            }
        }
        Some(frames)
    }
}

/// Bytes that an image takes once, however many domains it has.
fn bytes_kept(elf: &[u8], layout: &Layout<'_>) -> usize {
    let segments = layout.segments().iter();
    let shared = segments.filter(|segment| segment.permissions != Permissions::ReadWrite);
    let pages = shared.map(|segment| to_usize(segment.end_page() - segment.first_page()));
    let relocations = layout.relocations().len() * size_of::<(usize, u64)>();
    elf.len() + pages.sum::<usize>() + relocations
}

fn open_segment(
    layout: &Layout<'_>,
    segment: &domain_image::Segment,
    elf: &[u8],
) -> Result<Segment, OpenError> {
    let first = segment.first_page();
    let pages = to_usize((segment.end_page() - first) / PAGE_SIZE as u64);
    let contents = layout.segment_bytes(segment);
    let file_start = contents.as_ptr() as usize - elf.as_ptr() as usize;
    let offset = to_usize(segment.address - first);
    let permission = match segment.permissions {
        Permissions::Read => Permission::Read,
        Permissions::ReadWrite => Permission::ReadWrite,
        Permissions::ReadExecute => Permission::ReadExecute,
    };
    let inside = layout.relocations().filter(|relocation| {
        relocation.offset >= segment.address
            && relocation.offset < segment.address + segment.memory_size
    });
    let mut relocations = Vec::new();
    for relocation in inside {
        relocations
            .try_reserve(1)
            .map_err(|_| OpenError::NoMemory)?;
        relocations.push((to_usize(relocation.offset - first), relocation.addend));
    }
    let shared = if permission == Permission::ReadWrite {
        None
    } else {
        // The checked layout says the contents fit the pages.
        let frames = SealedFrames::new(pages, offset, contents).ok_or(OpenError::NoMemory)?;
        let first = first_of(permission);
        if first.load(Ordering::Relaxed) == 0 {
            first.store(frames.address(), Ordering::Relaxed);
        }
        Some(frames)
    };
    Ok(Segment {
        first_page: to_usize(first / PAGE_SIZE as u64),
        pages,
        permission,
        offset,
        file: file_start..file_start + contents.len(),
        shared,
        relocations,
    })
}

fn copy_note(note: &Note<'_>) -> DomainNote {
    let mut parameters = [ParameterNote::EMPTY; MAX_PARAMETERS];
    let mut count = 0;
    for (place, parameter) in parameters.iter_mut().zip(note.parameters()) {
        *place = ParameterNote {
            name: abi::note::name(parameter.name),
            kind: parameter.kind,
            optional: u32::from(parameter.is_optional),
            fingerprint: parameter.fingerprint,
            interface: abi::note::name(parameter.interface),
        };
        count += 1;
    }
    DomainNote {
        magic: abi::note::NOTE_MAGIC,
        abi_version: note.abi_version,
        parameter_count: count,
        name: abi::note::name(note.name),
        compiler: note.compiler,
        provides: note.provides,
        provides_name: abi::note::name(note.provides_name),
        parameters,
    }
}

fn copy_identity(identity: &Identity<'_>) -> Result<ImageIdentity, ImageError> {
    let role = Role::from_number(identity.role).ok_or(ImageError::BadIdentity)?;
    Ok(ImageIdentity {
        role: role as u32,
        version: identity.version.0,
        package: abi::note::name(identity.package),
        name: abi::note::name(identity.name),
    })
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).expect("x86-64 addresses fit a usize")
}

impl LoadedImage {
    /// The entry point.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let address = self.reservation.start() + self.image.entry;
        // SAFETY: the checked layout says the entry lies in an executable
        // segment, and the signature that our build made it an `Entry`.
        unsafe { core::mem::transmute::<usize, Entry>(address) }
    }

    /// What its image is, by its signature.
    #[must_use]
    pub fn role(&self) -> Role {
        self.image.role()
    }

    /// Bytes that belong to this instance alone.
    #[must_use]
    pub const fn private_bytes(&self) -> usize {
        self.private_pages * PAGE_SIZE
    }

    /// Whether an address lies in this image.
    #[must_use]
    pub fn contains(&self, address: usize) -> bool {
        self.reservation.range().contains(&address)
    }

    /// Writes the function that an address in this image lies in.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn describe(&self, address: usize, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
        let offset = (address - self.reservation.start()) as u64;
        let name = Symbols::parse(&self.image.elf)
            .ok()
            .and_then(|symbols| symbols.name_of(offset));
        match name {
            Some(name) => write!(out, "{name}"),
            None => write!(out, "+{offset:#x}"),
        }
    }
}
