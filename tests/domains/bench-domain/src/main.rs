//! Measures how long domains take to be started and ended.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use measure::{Row, Samples};
use runtime::time::{Duration, Instant};
use runtime::{
    BootArchive, DomainControl, Image, Options, ServiceError, Start, StartError, StartOutcome,
    domain,
};
use tar_no_std::TarArchiveRef;

/// Domains that live at once while memory is measured.
const CROWD: usize = 16;

/// Measures, reports and powers off. Option: `starts`, 2000 unless given.
#[domain]
fn bench_domain(
    control: DomainControl,
    archive: BootArchive,
    options: Options,
) -> Result<(), StartError> {
    let starts = usize::try_from(options.number("starts", 2000)?)?;
    let minimal = open(&control, &archive, "images/minimal")?;
    let echo = open(&control, &archive, "images/echoes")?;
    let resident = open(&control, &archive, "images/resident")?;
    let mut all = Samples::with_room(starts);
    let mut opened = Samples::with_room(OPENS);
    for _ in 0..starts / 10 {
        start_and_end(&control, &minimal)?;
    }
    for _ in 0..starts {
        all.add(start_and_end(&control, &minimal)?);
    }
    for _ in 0..OPENS {
        let before = Instant::now();
        drop(open(&control, &archive, "images/minimal")?);
        opened.add(before.elapsed().as_nanos() as f64);
    }
    all.tail("load + start + end", "ns", |row| {
        runtime::log::info!("{row}")
    });
    runtime::log::info!("{}", opened.row("verify an image", "ns", None));
    for (name, image) in [
        ("memory of a domain with one object", &echo),
        ("memory of a domain with a thread and a heap", &resident),
    ] {
        let bytes = memory(&control, image)?;
        let memory = Row {
            name,
            unit: "bytes",
            median: bytes,
            p99: bytes,
            baseline: None,
        };
        runtime::log::info!("{memory}");
    }
    control.power_off(0)
}

/// Images verified.
const OPENS: usize = 20;

fn open(control: &DomainControl, archive: &BootArchive, name: &str) -> Result<Image, StartError> {
    let bytes = archive.bytes().map_err(refused)?;
    let tar = TarArchiveRef::new(bytes)
        .map_err(|_| StartError::new("the boot archive is no tar file"))?;
    let file = tar
        .entries()
        .find(|entry| entry.filename().as_str() == Ok(name))
        .ok_or_else(|| StartError::new(format_args!("the boot archive has no {name}")))?;
    Ok(control.open_image(file.data())?)
}

/// Nanoseconds from the request until everything is reclaimed.
fn start_and_end(control: &DomainControl, image: &Image) -> Result<f64, StartError> {
    let before = Instant::now();
    let started = control.start(image, Start::new("minimal"))?;
    if !matches!(started.outcome, StartOutcome::Exited(0)) {
        return Err(StartError::new("the minimal domain did not exit"));
    }
    wait_death(control, started.id)?;
    Ok(before.elapsed().as_nanos() as f64)
}

/// Bytes that one more living domain takes, with everything the kernel keeps
/// for it.
fn memory(control: &DomainControl, image: &Image) -> Result<f64, StartError> {
    // Once for what stays: table entries, free lists.
    drop(crowd(control, image)?);
    let before = in_use(control)?;
    let living = crowd(control, image)?;
    let after = in_use(control)?;
    drop(living);
    Ok((after - before) / CROWD as f64)
}

/// Living domains, ended when dropped.
struct Crowd<'a> {
    control: &'a DomainControl,
    ids: Vec<u64>,
}

fn crowd<'a>(control: &'a DomainControl, image: &Image) -> Result<Crowd<'a>, StartError> {
    let mut crowd = Crowd {
        control,
        ids: Vec::with_capacity(CROWD),
    };
    for _ in 0..CROWD {
        crowd
            .ids
            .push(control.start(image, Start::new("one-of-a-crowd"))?.id);
    }
    Ok(crowd)
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        for &id in &self.ids {
            let ended = self
                .control
                .kill(id, runtime::DeathCause::Exit)
                .map_err(refused);
            if let Err(error) = ended.and_then(|()| wait_death(self.control, id)) {
                runtime::log::error!("domain {id:#x} does not end: {}", error.text());
            }
        }
    }
}

fn wait_death(control: &DomainControl, id: u64) -> Result<(), StartError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    control.wait_death(Some(id), deadline).map_err(refused)?;
    Ok(())
}

/// Bytes of frames, kernel heap and exchange heap in use.
fn in_use(control: &DomainControl) -> Result<f64, StartError> {
    let audit = control.audit().map_err(refused)?;
    let domains = control.list().map_err(refused)?;
    let exchange: u64 = domains.iter().map(|domain| domain.exchange_bytes).sum();
    Ok((audit.frames * 4096 + audit.kernel_heap_bytes + exchange) as f64)
}

fn refused(error: ServiceError) -> StartError {
    StartError::new(format_args!("the kernel refused: {error:?}"))
}
