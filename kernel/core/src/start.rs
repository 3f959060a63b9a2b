//! Starting a domain: checks what it is given, enters it, takes what it gives.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::death::DeathCause;
use abi::exchange::ProxyObject;
use abi::grant::{Grant, GrantKind, StartFrame, StartResult};
use abi::note::{DomainNote, ParameterNote};
use abi::role::Role;
use abi::services::StartRequest;
use abi::status::ServiceError;
use abi::thread::CrossStatus;

use crate::domain::{self, Creation, Domain};
use crate::heap::SetAside;
use crate::image::{Image, LoadedImage};
use crate::log::Speaker;
use crate::record::name_text;
use crate::sync::SpinLock;
use crate::{crossing, death, export, limits};

/// Open images by handle, each with the owner id of who opened it.
type Images = BTreeMap<u64, (u64, Arc<Image>)>;

static IMAGES: SpinLock<Images> = SpinLock::new(BTreeMap::new());
static NEXT_IMAGE: AtomicU64 = AtomicU64::new(1);

/// Verifies an image and keeps it; its handle.
///
/// # Errors
/// `BadImage`, with the reason in `message`; `NoMemory`.
pub fn open_image(file: &[u8], message: &mut [u8; 160]) -> Result<u64, ServiceError> {
    match Image::open(file, domain::current()) {
        Ok(image) => keep_image(image),
        Err(error) => {
            write_message(message, format_args!("{error}"));
            // Programs have Rv6 open what they like, as often as they like.
            if limits::may_log(domain::current()) {
                warn_of_program(format_args!("image refused: {error}"));
            }
            Err(ServiceError::BadImage)
        }
    }
}

/// Warns of what a domain asked for, most often because a program wanted it.
fn warn_of_program(text: core::fmt::Arguments<'_>) {
    crate::log::write_line(Speaker::AboutProgram, log::Level::Warn, text);
}

fn keep_image(image: Image) -> Result<u64, ServiceError> {
    const {
        assert!(
            size_of::<Image>() < 1024,
            "a small block that is set aside holds it"
        )
    };
    let [for_image, for_entry] = [SetAside::new(), SetAside::new()];
    let (for_image, for_entry) = for_image.zip(for_entry).ok_or(ServiceError::NoMemory)?;
    let image = for_image.spend(|| Arc::new(image));
    let handle = NEXT_IMAGE.fetch_add(1, Ordering::Relaxed);
    let owner = domain::current().id();
    for_entry.spend(|| IMAGES.lock().insert(handle, (owner, image)));
    Ok(handle)
}

/// Copies an image's note.
///
/// # Errors
/// `NotFound` for a handle that the current domain has not open.
pub fn image_note(handle: u64) -> Result<DomainNote, ServiceError> {
    image(handle).map(|image| *image.note())
}

/// Forgets an image.
///
/// # Errors
/// `NotFound` for a handle that the current domain has not open.
pub fn close_image(handle: u64) -> Result<(), ServiceError> {
    let closed = {
        let mut images = IMAGES.lock();
        opened_here(&images, handle)?;
        images.remove(&handle)
    };
    closed.map(drop).ok_or(ServiceError::NotFound)
}

/// An image that the current domain has open.
pub(crate) fn image(handle: u64) -> Result<Arc<Image>, ServiceError> {
    opened_here(&IMAGES.lock(), handle).cloned()
}

/// An image that the current domain has open: a handle is a number, which anybody
/// could guess.
fn opened_here(images: &Images, handle: u64) -> Result<&Arc<Image>, ServiceError> {
    let opener = domain::current().id();
    let (_, image) = images
        .get(&handle)
        .filter(|(owner, _)| *owner == opener)
        .ok_or(ServiceError::NotFound)?;
    Ok(image)
}

/// Closes what a dead domain had opened.
pub(crate) fn close_images_of(owner: u64) {
    // One at a time, and freed when the list is not locked: it takes a while.
    loop {
        let closed = {
            let mut images = IMAGES.lock();
            let found = images.iter().find(|(_, (opener, _))| *opener == owner);
            let handle = found.map(|(handle, _)| *handle);
            handle.and_then(|handle| images.remove(&handle))
        };
        if closed.is_none() {
            return;
        }
    }
}

/// Writes a line into a fixed field, cut where it ends; its length.
fn write_message(into: &mut [u8; 160], text: core::fmt::Arguments<'_>) -> u32 {
    struct Field<'a>(&'a mut [u8; 160], usize);
    impl core::fmt::Write for Field<'_> {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            let count = text.len().min(self.0.len() - self.1);
            self.0[self.1..self.1 + count].copy_from_slice(&text.as_bytes()[..count]);
            self.1 += count;
            Ok(())
        }
    }
    into.fill(0);
    let mut field = Field(into, 0);
    // Writing to a field cannot fail.
    let _ = core::fmt::write(&mut field, text);
    u32::try_from(field.1).unwrap_or(160)
}

/// Checks what the roles of image and starter have to say about a start.
pub(crate) fn check_role(
    image: &Image,
    grants: &[Grant],
    request: &mut StartRequest,
) -> Result<(), ServiceError> {
    let (starter, role) = (domain::current(), image.role());
    let own = starter.with(|body| body.image.as_ref().map(LoadedImage::role));
    let may_start = match own {
        Some(own) => own.may_start(role),
        None => starter.is_kernel() && role == Role::Supervisor,
    };
    let name = name_text(&image.identity().name);
    let refused = if may_start {
        let kinds = grants
            .iter()
            .filter_map(|grant| GrantKind::from_number(grant.kind));
        let forbidden = kinds.into_iter().find(|kind| !role.may_have(*kind));
        let Some(kind) = forbidden else {
            return Ok(());
        };
        let (role, kind) = (role.name(), kind.name());
        write_message(
            &mut request.message,
            format_args!("image {name:?} is signed as a {role}: a {role} gets no {kind}"),
        )
    } else {
        let starter = own.map_or("kernel", Role::name);
        let role = role.name();
        write_message(
            &mut request.message,
            format_args!("image {name:?} is signed as a {role}: a {starter} starts no {role}"),
        )
    };
    request.message_length = refused;
    let length = refused as usize;
    let line = core::str::from_utf8(&request.message[..length]).unwrap_or("");
    if limits::may_log(domain::current()) {
        warn_of_program(format_args!("start refused: {line}"));
    }
    Err(ServiceError::BadGrants)
}

/// Checks the name that a domain is to have: it stands in front of its lines in the log.
/// The kernel itself names the supervisor.
pub(crate) fn check_name(request: &mut StartRequest) -> Result<(), ServiceError> {
    let name = request.name;
    let name = name_text(&name);
    if domain::current().is_kernel() || abi::note::is_domain_name(name) {
        return Ok(());
    }
    request.message_length = write_message(
        &mut request.message,
        format_args!(
            "no domain can be called {name:?}: expected 1 to 31 letters, digits, `-`, `_` and `.`, \
             and no word of the kernel's"
        ),
    );
    Err(ServiceError::BadGrants)
}

/// Checks grants against what the image declares.
pub(crate) fn check_grants(
    note: &DomainNote,
    grants: &[Grant],
    request: &mut StartRequest,
) -> Result<(), ServiceError> {
    let count = note.parameter_count as usize;
    if grants.len() != count {
        request.message_length = write_message(
            &mut request.message,
            format_args!(
                "the image takes {count} parameters, {} were given",
                grants.len()
            ),
        );
        return Err(ServiceError::BadGrants);
    }
    for (grant, parameter) in grants.iter().zip(&note.parameters) {
        if let Err(reason) = check_grant(grant, parameter) {
            request.message_length = write_message(
                &mut request.message,
                format_args!("parameter {}: {reason}", name_text(&parameter.name)),
            );
            return Err(ServiceError::BadGrants);
        }
    }
    Ok(())
}

fn check_grant(grant: &Grant, parameter: &ParameterNote) -> Result<(), &'static str> {
    let kind =
        GrantKind::from_number(grant.kind).ok_or("a capability of unknown kind was given")?;
    if kind == GrantKind::Absent {
        return if parameter.optional == 0 {
            Err("is missing")
        } else {
            Ok(())
        };
    }
    if grant.kind != parameter.kind {
        return Err("another kind of capability was given");
    }
    if kind != GrantKind::Proxy {
        return Ok(());
    }
    let proxy = grant.first as *const ProxyObject;
    // SAFETY: trusted code passes live proxies the caller owns.
    let fingerprint = unsafe { (*proxy).fingerprint };
    if fingerprint == parameter.fingerprint {
        Ok(())
    } else {
        Err("the object given implements another interface or another version of it")
    }
}

/// Gives the proxies among grants to the new domain.
pub(crate) fn move_proxies(grants: &[Grant], owner: u64) {
    for grant in grants
        .iter()
        .filter(|grant| grant.kind == GrantKind::Proxy as u32)
    {
        let header = export::header(grant.first as *mut ProxyObject);
        // SAFETY: checked proxies have their header in front.
        unsafe { (*header).owner.store(owner, Ordering::Release) };
    }
}

/// What [`enter`] needs.
pub(crate) struct EnterFrame {
    pub(crate) entry: abi::grant::Entry,
    pub(crate) start: *mut StartFrame,
}

/// Calls an image's entry, in its domain's name.
///
/// # Safety
/// `frame` is an [`EnterFrame`] with the entry of the current domain's image.
pub(crate) unsafe extern "sysv64" fn enter(frame: *mut ()) {
    // SAFETY: the caller's contract.
    unsafe {
        let frame = &*frame.cast::<EnterFrame>();
        (frame.entry)(frame.start);
    }
}

/// Starts a domain and runs its entry on this thread.
///
/// # Errors
/// `NotFound`, `BadGrants`, `NoMemory`; `StartFailed` and `Dead` when its code
/// says so or ends.
pub fn start(request: &mut StartRequest, grants: &[Grant]) -> Result<(), ServiceError> {
    let image = image(request.image)?;
    check_name(request)?;
    check_role(&image, grants, request)?;
    check_grants(image.note(), grants, request)?;
    let starter = domain::current().id();
    let creation = Creation {
        name: request.name,
        parent: starter,
        detached: request.detached != 0,
        limits: request.limits,
        grants,
        image: &image,
    };
    let domain = domain::create(&creation).ok_or(ServiceError::NoMemory)?;
    let result = enter_new(domain, request, grants, starter, image.note().provides);
    domain.let_go();
    result
}

/// Runs a new domain's entry and says how it ended.
fn enter_new(
    domain: &'static Domain,
    request: &mut StartRequest,
    grants: &[Grant],
    starter: u64,
    provides: u64,
) -> Result<(), ServiceError> {
    request.id = domain.id();
    let Some(entry) = entry_of(domain) else {
        death::begin(domain, DeathCause::StartFailed, None);
        return Err(ServiceError::NoMemory);
    };
    move_proxies(grants, domain.id());
    let mut frame = frame(grants);
    let mut enter_frame = EnterFrame {
        entry,
        start: &raw mut frame,
    };
    let id = domain.id();
    // From here on it can be called and ended; a program runs inside its entry.
    domain.set_running();
    // SAFETY: the entry belongs to the domain's checked image.
    let status = unsafe {
        crossing::cross_from_kernel(
            domain.slot(),
            domain.generation(),
            enter,
            (&raw mut enter_frame).cast(),
        )
    };
    if status == CrossStatus::Done && !is_as_noted(&frame, provides) {
        const WHY: &str = "its object has another interface than its note says";
        request.message_length = write_message(&mut request.message, format_args!("{WHY}"));
        death::end_started(domain, DeathCause::StartFailed);
        return Err(ServiceError::StartFailed);
    }
    finish(domain, id, status, &frame, starter, request)
}

/// The entry of a domain's image, while that is loaded.
pub(crate) fn entry_of(domain: &Domain) -> Option<abi::grant::Entry> {
    domain.with(|body| body.image.as_ref().map(crate::image::LoadedImage::entry))
}

/// What an entry is given.
pub(crate) const fn frame(grants: &[Grant]) -> StartFrame {
    StartFrame {
        grants: grants.as_ptr(),
        grant_count: grants.len(),
        result: StartResult::Running as u32,
        exit_status: 0,
        object: core::ptr::null_mut(),
        error_length: 0,
        error: [0; 160],
    }
}

/// Why an entry failed, in its own words.
pub(crate) fn failure(frame: &StartFrame) -> &str {
    let text = frame.error.get(..frame.error_length).unwrap_or(&[]);
    core::str::from_utf8(text).unwrap_or("its error text is not UTF-8")
}

/// Whether what the entry provides is what the note promised: the supervisor
/// and the host tool wire by the note.
fn is_as_noted(frame: &StartFrame, provides: u64) -> bool {
    if frame.result != StartResult::Provides as u32 {
        return true;
    }
    let proxy = frame.object.cast_const().cast::<ProxyObject>();
    // SAFETY: the entry of a checked image returns a proxy it owns.
    unsafe { (*proxy).fingerprint == provides }
}

fn finish(
    domain: &'static Domain,
    id: u64,
    status: CrossStatus,
    frame: &StartFrame,
    starter: u64,
    request: &mut StartRequest,
) -> Result<(), ServiceError> {
    request.result = frame.result;
    request.exit_status = frame.exit_status;
    if status == CrossStatus::NoStack {
        death::end_started(domain, DeathCause::StartFailed);
        return Err(ServiceError::NoMemory);
    }
    if status != CrossStatus::Done {
        let cause = death::cause_of(id).unwrap_or(DeathCause::Killed);
        request.cause = cause as u32;
        death::reclaim_started(domain);
        return match domain.with(|body| body.last_exit) {
            Some((last, status)) if last == id && cause == DeathCause::Exit => {
                request.result = StartResult::Exited as u32;
                request.exit_status = status;
                Ok(())
            }
            _ => Err(ServiceError::Dead),
        };
    }
    if frame.result == StartResult::Provides as u32 {
        let header = export::header(frame.object.cast());
        // SAFETY: the entry of a checked image returns a proxy it owns.
        unsafe { (*header).owner.store(starter, Ordering::Release) };
        request.object = frame.object.cast();
        return Ok(());
    }
    if frame.result == StartResult::Stays as u32 {
        return Ok(());
    }
    let failed = frame.result != StartResult::Exited as u32;
    if failed {
        let text = failure(frame);
        request.message_length = write_message(&mut request.message, format_args!("{text}"));
    }
    let cause = if failed {
        DeathCause::StartFailed
    } else {
        DeathCause::Exit
    };
    death::end_started(domain, cause);
    if failed {
        Err(ServiceError::StartFailed)
    } else {
        Ok(())
    }
}
