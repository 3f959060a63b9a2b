//! Starting a program apart: its entry runs on a thread of its own.
//!
//! [`crate::start`] enters a new domain on the thread of the one that starts it,
//! which can therefore not end before the program does. Here nothing of the
//! starter's is left on any stack: it may die, and the program goes on.

use alloc::boxed::Box;
use alloc::vec::Vec;

use abi::death::DeathCause;
use abi::grant::{Grant, GrantKind, StartFrame, StartResult};
use abi::services::StartRequest;
use abi::status::ServiceError;
use abi::thread::CrossStatus;

use crate::charge::Charge;
use crate::domain::{self, Creation, Domain};
use crate::log::{Speaker, write_line};
use crate::start::{self, EnterFrame};
use crate::thread::{self, Spawn};
use crate::{crossing, death, heap, limits, record};

/// A program that has a thread, for as long as that runs.
struct Program {
    domain: &'static Domain,
    generation: u64,
    entry: abi::grant::Entry,
    grants: Vec<Grant>,
    /// What grants of text and bytes point to: the starter's may be gone.
    _copies: Vec<Vec<u8>>,
    _room: Charge,
}

/// Starts a program; its result is not waited for.
///
/// # Errors
/// `NotFound`, `BadGrants`, `NoMemory`.
pub fn start(request: &mut StartRequest, grants: &[Grant]) -> Result<(), ServiceError> {
    let image = start::image(request.image)?;
    start::check_name(request)?;
    start::check_role(&image, grants, request)?;
    start::check_grants(image.note(), grants, request)?;
    let creation = Creation {
        name: request.name,
        parent: domain::current().id(),
        detached: request.detached != 0,
        limits: request.limits,
        grants,
        image: &image,
    };
    let domain = domain::create(&creation).ok_or(ServiceError::NoMemory)?;
    request.id = domain.id();
    request.result = StartResult::Running as u32;
    start::move_proxies(grants, domain.id());
    let result = spawn(domain, request, grants);
    if result.is_err() {
        death::end_started(domain, DeathCause::StartFailed);
        domain.let_go();
    }
    result
}

fn spawn(
    domain: &'static Domain,
    request: &StartRequest,
    grants: &[Grant],
) -> Result<(), ServiceError> {
    let entry = start::entry_of(domain).ok_or(ServiceError::NoMemory)?;
    let room = Charge::for_bytes(domain, bytes_lent(grants)).ok_or(ServiceError::NoMemory)?;
    let (grants, copies) = copied(grants).ok_or(ServiceError::NoMemory)?;
    let program = heap::try_box(Program {
        domain,
        generation: domain.generation(),
        entry,
        grants,
        _copies: copies,
        _room: room,
    });
    let program = Box::into_raw(program.ok_or(ServiceError::NoMemory)?);
    // From here on it can be called and ended; a program runs inside its entry.
    domain.set_running();
    let kernel = domain::kernel();
    let spawn = Spawn {
        name: request.name,
        priority: thread::PRIORITY_NORMAL,
        slot: kernel.slot(),
        generation: kernel.generation(),
        home: domain.id(),
        function: run,
        argument: program.cast(),
        stack_bytes: 0,
    };
    // SAFETY: `run` takes the program, which is given up to it.
    let spawned = unsafe { thread::spawn(&spawn) };
    spawned.map(drop).inspect_err(|_| {
        // SAFETY: no thread has it.
        drop(unsafe { Box::from_raw(program) });
    })
}

fn is_memory(grant: &Grant) -> bool {
    let kinds = [GrantKind::Text, GrantKind::Bytes].map(|kind| kind as u32);
    kinds.contains(&grant.kind) && grant.second != 0
}

/// Bytes that [`copied`] copies.
fn bytes_lent(grants: &[Grant]) -> usize {
    let lent = grants.iter().filter(|grant| is_memory(grant));
    lent.fold(0, |sum, grant| sum.saturating_add(grant.second as usize))
}

/// The grants, with what they point to copied; `None`: no memory.
fn copied(grants: &[Grant]) -> Option<(Vec<Grant>, Vec<Vec<u8>>)> {
    let mut copies = Vec::new();
    let mut own = heap::try_copy(grants)?;
    for grant in &mut own {
        if !is_memory(grant) {
            continue;
        }
        // SAFETY: text and bytes are an address and a length, valid for the
        // call of the starter's.
        let bytes =
            unsafe { core::slice::from_raw_parts(grant.first as *const u8, grant.second as usize) };
        let copy = heap::try_copy(bytes)?;
        grant.first = copy.as_ptr() as u64;
        heap::try_push(&mut copies, copy)?;
    }
    Some((own, copies))
}

/// A program's thread, in the kernel's name: enters the domain and, whatever
/// becomes of that, comes back.
unsafe extern "sysv64" fn run(program: *mut ()) {
    // SAFETY: `spawn` gave it up, to this call.
    let program = unsafe { Box::from_raw(program.cast::<Program>()) };
    let domain = program.domain;
    let mut frame = start::frame(&program.grants);
    let mut enter_frame = EnterFrame {
        entry: program.entry,
        start: &raw mut frame,
    };
    // SAFETY: the entry belongs to the domain's checked image; the frame and what
    // it points to live until the crossing is over.
    let status = unsafe {
        crossing::cross_from_kernel(
            domain.slot(),
            program.generation,
            start::enter,
            (&raw mut enter_frame).cast(),
        )
    };
    match status {
        CrossStatus::Done => conclude(domain, &frame),
        CrossStatus::NoStack => death::end_started(domain, DeathCause::StartFailed),
        CrossStatus::NotStarted | CrossStatus::Died => death::reclaim_started(domain),
    }
    domain.let_go();
}

/// Ends a domain whose entry has come to its end.
fn conclude(domain: &'static Domain, frame: &StartFrame) {
    if frame.result == StartResult::Exited as u32 {
        domain.with(|body| body.last_exit = Some((domain.id(), frame.exit_status)));
        return death::end_started(domain, DeathCause::Exit);
    }
    let why = match frame.result == StartResult::Failed as u32 {
        true => start::failure(frame),
        false => "the image is no program",
    };
    let name = domain.with(|body| body.name);
    if limits::may_tell_death(domain) {
        let name = record::name_text(&name);
        write_line(
            Speaker::about(domain),
            log::Level::Warn,
            format_args!("{name}: {why}"),
        );
    }
    death::end_started(domain, DeathCause::StartFailed);
}
