//! Services for who controls domains: start, end, what is counted and traced.

use abi::death::DeathCause;
use abi::note::DomainNote;
use abi::role::ImageIdentity;
use abi::services::{Audit, DeathNotice, DomainInfo, EdgeInfo, StartRequest, TraceEvent};
use abi::status::{Answer, ServiceError};

use super::{answer, buffer, bytes, done, in_pieces, service};
use crate::{apart, death, domain, export, inject, machine, start, statistics, trace};

/// Traced calls that are copied before the thread may leave.
const EVENTS: usize = 256;

pub(super) unsafe fn image_open(
    start: *const u8,
    length: usize,
    message: *mut [u8; 160],
) -> Answer {
    // SAFETY: the caller's image and field.
    answer(service(|| unsafe {
        start::open_image(bytes(start, length), &mut *message)
    }))
}

pub(super) unsafe fn image_note(image: u64, note: *mut DomainNote) -> Answer {
    done(service(|| {
        let found = start::image_note(image)?;
        // SAFETY: the caller's field.
        unsafe { note.write(found) };
        Ok(())
    }))
}

pub(super) unsafe fn image_identity(image: u64, identity: *mut ImageIdentity) -> Answer {
    done(service(|| {
        let found = *start::image(image)?.identity();
        // SAFETY: the caller's field.
        unsafe { identity.write(found) };
        Ok(())
    }))
}

pub(super) fn image_close(image: u64) -> Answer {
    done(service(|| start::close_image(image)))
}

pub(super) unsafe fn domain_start(request: *mut StartRequest) -> Answer {
    done(service(|| {
        // SAFETY: the caller's request and the grants it names.
        let (request, grants) = unsafe {
            let request = &mut *request;
            let grants = match request.grant_count {
                0 => &[],
                count => core::slice::from_raw_parts(request.grants, count),
            };
            (request, grants)
        };
        match request.apart {
            0 => start::start(request, grants),
            _ => apart::start(request, grants),
        }
    }))
}

pub(super) fn domain_kill(id: u64, cause: u32) -> Answer {
    done(service(|| {
        let domain = domain::find(id).ok_or(ServiceError::NotFound)?;
        let cause = DeathCause::from_number(cause).ok_or(ServiceError::Invalid)?;
        // Who started it is the kernel, and with it the system ends.
        if domain::is_supervisor(domain) {
            return Err(ServiceError::Denied);
        }
        death::begin_of(domain, id, cause, None);
        Ok(())
    }))
}

pub(super) fn domain_is_called(id: u64) -> Answer {
    answer(service(|| {
        let domain = domain::find(id).ok_or(ServiceError::NotFound)?;
        Ok(crate::scan::is_called(domain).into())
    }))
}

pub(super) fn domain_inject(id: u64, fault: u32, within_ns: u64, seed: u64) -> Answer {
    answer(service(|| {
        let domain = domain::find(id).ok_or(ServiceError::NotFound)?;
        inject::inject(domain, fault, within_ns, seed).map(u64::from)
    }))
}

pub(super) fn domain_leftovers(id: u64) -> Answer {
    answer(service(|| {
        domain::slot_of(id).ok_or(ServiceError::NotFound)?;
        Ok(crate::audit::leftovers(id))
    }))
}

pub(super) unsafe fn domain_list(list: *mut DomainInfo, capacity: usize) -> Answer {
    service(|| {
        let list = match capacity {
            0 => &mut [],
            // SAFETY: the caller's list has room for `capacity` entries, of plain
            // numbers.
            _ => unsafe { core::slice::from_raw_parts_mut(list, capacity) },
        };
        domain::list(list) as Answer
    })
}

pub(super) unsafe fn edge_list(list: *mut EdgeInfo, capacity: usize) -> Answer {
    service(|| {
        let mut count = 0;
        // Nobody sees a list that was broken off.
        let _ = export::look_at_edges(&mut |edge| {
            if count < capacity {
                // SAFETY: the caller's list has room for `capacity` entries.
                unsafe { list.add(count).write(edge) };
            }
            count += 1;
        });
        count as Answer
    })
}

pub(super) fn sampling_set(one_in: u32) -> Answer {
    service(|| {
        if one_in != 0 && !one_in.is_power_of_two() {
            return ServiceError::Invalid as Answer;
        }
        statistics::set_sampling(one_in);
        0
    })
}

pub(super) fn trace_control(action: u32, domain: u64) -> Answer {
    done(service(|| match action {
        0 => {
            trace::stop();
            Ok(())
        }
        1 => trace::start(domain),
        2 => {
            trace::discard();
            Ok(())
        }
        _ => Err(ServiceError::Invalid),
    }))
}

pub(super) unsafe fn trace_read(from: usize, events: *mut TraceEvent, capacity: usize) -> Answer {
    answer(in_pieces(capacity, EVENTS, |piece| {
        let from = from.saturating_add(piece.start);
        let events = match piece.len() {
            0 => &mut [],
            // SAFETY: the caller's list has room for `capacity` entries, of plain
            // numbers.
            room => unsafe { core::slice::from_raw_parts_mut(events.add(piece.start), room) },
        };
        Ok(trace::read(from, events))
    }))
}

pub(super) unsafe fn domain_wait_death(
    id: u64,
    deadline_ns: u64,
    notice: *mut DeathNotice,
) -> Answer {
    done(service(|| {
        let found = death::wait_death(id, deadline_ns)?;
        // SAFETY: the caller's field.
        unsafe { notice.write(found) };
        Ok(())
    }))
}

pub(super) unsafe fn domain_next_death(
    after: u64,
    deadline_ns: u64,
    notice: *mut DeathNotice,
) -> Answer {
    answer(service(|| {
        let (number, found) = death::next_death(after, deadline_ns)?;
        // SAFETY: the caller's field.
        unsafe { notice.write(found) };
        Ok(number)
    }))
}

pub(super) unsafe fn crash_record(sequence: u64, start: *mut u8, length: usize) -> Answer {
    // SAFETY: the caller's buffer.
    service(|| crate::record::read(sequence, unsafe { buffer(start, length) }) as Answer)
}

pub(super) unsafe fn audit(into: *mut Audit) -> Answer {
    // SAFETY: the caller's field.
    service(|| unsafe { into.write(crate::audit::take()) });
    0
}

pub(super) fn power_off(status: i32) -> Answer {
    service(|| {
        log::info!("redleaf: exit status {status}");
        crate::log::flush();
        machine::get().power_off(status)
    })
}

pub(super) unsafe fn boot_archive(start: *mut *const u8, length: *mut usize) -> Answer {
    let archive = crate::boot::archive();
    // SAFETY: the caller's fields.
    unsafe {
        start.write(archive.as_ptr());
        length.write(archive.len());
    }
    0
}
