//! The kernel's services behind the trait [`System`].

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::process::{LANE_MAX, Process};
use runtime::thread::{self, Priority};
use runtime::time::{self, Instant};
use runtime::{
    Console, DeathCause, DeathNotice, DomainControl, DomainState, GivenGrant, Image, Limits, Proxy,
    ServiceError, Start, StartError,
};
use rv6::process::ProcessState;
use rv6::system::{DomainEnd, Ended, ImageHandle, ProgramStart, System};

/// What a process may use: for the rest, what any domain may. A program has the
/// thread it is started on, a few proxies for what it asks Rv6 for, and prints
/// instead of logging.
const PROCESS_LIMITS: Limits = Limits {
    exchange_bytes: 16 << 20,
    threads: 16,
    handles: 128,
    log_lines: 100,
    ..Limits::DEFAULT
};

const _: () = assert!(
    (PROCESS_LIMITS.threads as usize) < LANE_MAX,
    "each thread, and the first one, finds a lane free"
);

/// What Rv6 was granted of the kernel.
pub struct Kernel {
    control: DomainControl,
    console: Console,
}

impl Kernel {
    /// From the capabilities.
    pub const fn new(control: DomainControl, console: Console) -> Self {
        Self { control, console }
    }

    /// Powers off at once, when there is no supervisor to ask.
    pub fn power_off(&self, status: i32) -> ! {
        self.control.power_off(status)
    }
}

/// Says which service failed to start the domain.
pub fn service_error(error: ServiceError) -> StartError {
    StartError::new(format_args!("no thread: {error:?}"))
}

fn death_cause(number: u32) -> DeathCause {
    DeathCause::from_number(number).unwrap_or(DeathCause::Killed)
}

impl System for Kernel {
    fn clock_ns(&self) -> u64 {
        Instant::now().nanoseconds()
    }

    fn wall_clock_ns(&self) -> u64 {
        u64::try_from(time::wall_clock().as_nanos()).unwrap_or(u64::MAX)
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        runtime::random(buffer).is_ok()
    }

    fn console_write(&self, text: &[u8]) {
        if let Err(error) = self.console.write(text) {
            log::warn!("console: {error:?}");
        }
    }

    fn console_write_error(&self, text: &[u8]) {
        if let Err(error) = self.console.write_error(text) {
            log::warn!("console: {error:?}");
        }
    }

    fn console_read(&self, position: &mut u64, into: &mut [u8]) -> usize {
        let read = self.console.read(position, into, Instant::NEVER);
        read.unwrap_or(0)
    }

    fn log(&self, line: &str) {
        log::warn!("{line}");
    }

    fn spawn_thread(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> bool {
        thread::spawn(name, Priority::Normal, work).is_ok()
    }

    fn spawn_urgent(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> bool {
        thread::spawn(name, Priority::High, work).is_ok()
    }

    fn open_image(&self, bytes: &[u8]) -> Result<ImageHandle, String> {
        match self.control.open_image(bytes) {
            Ok(image) => Ok(Arc::new(image)),
            Err(error) if error.message.is_empty() => Err(format!("{:?}", error.error)),
            Err(error) => Err(error.message),
        }
    }

    fn start(
        &self,
        image: &ImageHandle,
        process: &Arc<ProcessState>,
        start: &ProgramStart,
    ) -> Result<u64, String> {
        let image = image
            .downcast_ref::<Image>()
            .ok_or("not an image of this kernel")?;
        let proxy = export(process).ok_or("no memory for the process's object")?;
        let mut request = Start::new(process.domain_name())
            .give("process", GivenGrant::proxy(proxy))
            .give("arguments", GivenGrant::bytes(start.bytes()));
        request.limits = PROCESS_LIMITS;
        request.detached = true;
        request.apart = true;
        let started = self.control.start(image, request);
        started
            .map(|started| started.id)
            .map_err(|failure| format!("{failure}"))
    }

    fn next_end(&self, after: u64) -> DomainEnd {
        loop {
            match self.control.next_death(after, Instant::NEVER) {
                Ok((number, notice)) => {
                    return DomainEnd {
                        number,
                        domain: notice.id,
                        ended: ended(&notice),
                        began_ns: notice.begun_ns,
                        caller: notice.caller,
                    };
                }
                Err(error) => log::warn!("cannot watch processes: {error:?}"),
            }
        }
    }

    fn end_of(&self, domain: u64) -> Option<Ended> {
        let notice = self.control.wait_death(Some(domain), Instant::now());
        notice.ok().map(|notice| ended(&notice))
    }

    fn adopt(&self, process: &Arc<ProcessState>) -> bool {
        let Some(proxy) = export(process) else {
            return false;
        };
        let adopted = self.control.redirect_held(process.domain(), &proxy.into());
        adopted.is_ok()
    }

    fn domains(&self) -> Vec<(String, u64)> {
        let domains = self.control.list().unwrap_or_default();
        let named = domains.iter();
        named
            .map(|domain| (runtime::name_text(&domain.name).into(), domain.id))
            .collect()
    }

    fn dying_domains(&self) -> Vec<u64> {
        let domains = self.control.list().unwrap_or_default();
        let dying = domains
            .iter()
            .filter(|domain| domain.state == DomainState::Dying as u32);
        dying.map(|domain| domain.id).collect()
    }

    fn kill(&self, domain: u64, cause: u32) {
        // If it has ended meanwhile, there is nothing left to do.
        let _ = self.control.kill(domain, death_cause(cause));
    }
}

fn export(process: &Arc<ProcessState>) -> Option<Proxy<dyn Process>> {
    let object: Arc<dyn Process> = process.clone();
    Proxy::try_export(object).ok()
}

fn ended(notice: &DeathNotice) -> Ended {
    match DeathCause::from_number(notice.cause) {
        Some(DeathCause::Exit) => Ended::Exited(notice.exit_status),
        Some(DeathCause::StartFailed) => Ended::NotStarted("its entry failed".into()),
        _ => Ended::Died(notice.cause),
    }
}
