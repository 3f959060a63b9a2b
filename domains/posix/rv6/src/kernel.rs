//! The kernel's services behind the trait [`System`].

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::process::Process;
use runtime::thread::{self, Priority};
use runtime::time::{self, Instant};
use runtime::{
    Console, DeathCause, DomainControl, DomainState, GivenGrant, Image, Limits, Proxy,
    ServiceError, Start, StartError, StartOutcome,
};
use rv6::process::ProcessState;
use rv6::system::{Ended, ImageHandle, ProgramStart, System};

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

    fn console_read(&self, into: &mut [u8]) -> usize {
        self.console.read(into, Instant::NEVER).unwrap_or(0)
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

    fn run(&self, image: &ImageHandle, process: &Arc<ProcessState>, start: &ProgramStart) -> Ended {
        let Some(image) = image.downcast_ref::<Image>() else {
            return Ended::NotStarted("not an image of this kernel".into());
        };
        let object: Arc<dyn Process> = process.clone();
        let Ok(proxy) = Proxy::try_export(object) else {
            return Ended::NotStarted("no memory for the process's object".into());
        };
        let bytes = start.encode();
        let mut request = Start::new(process.domain_name())
            .give("process", GivenGrant::proxy(proxy))
            .give("arguments", GivenGrant::bytes(&bytes));
        request.limits = PROCESS_LIMITS;
        request.detached = false;
        match self.control.start(image, request) {
            Ok(started) => match started.outcome {
                StartOutcome::Exited(status) => Ended::Exited(status),
                StartOutcome::Provides(_) | StartOutcome::Stays => {
                    // An image of a service, not of a program.
                    let _ = self.control.kill(started.id, DeathCause::Killed);
                    Ended::NotStarted("the image is no program".into())
                }
            },
            Err(failure) => match failure.cause {
                Some(cause) => Ended::Died(cause as u32),
                None => Ended::NotStarted(format!("{failure}")),
            },
        }
    }

    fn domain_named(&self, name: &str) -> Option<u64> {
        let domains = self.control.list().ok()?;
        let is_meant = |state| state != DomainState::Dead as u32;
        domains
            .iter()
            .find(|domain| is_meant(domain.state) && runtime::name_text(&domain.name) == name)
            .map(|domain| domain.id)
    }

    fn dying_domains(&self) -> Vec<String> {
        let domains = self.control.list().unwrap_or_default();
        let dying = domains
            .iter()
            .filter(|domain| domain.state == DomainState::Dying as u32);
        dying
            .map(|domain| runtime::name_text(&domain.name).into())
            .collect()
    }

    fn kill(&self, name: &str, cause: u32) -> bool {
        let Some(id) = self.domain_named(name) else {
            return false;
        };
        // If it has ended meanwhile, there is nothing left to do.
        let _ = self.control.kill(id, death_cause(cause));
        true
    }

    fn kill_all(&self, names: &[&str], cause: u32) {
        let domains = self.control.list().unwrap_or_default();
        for domain in domains {
            if names.contains(&runtime::name_text(&domain.name)) {
                // As above.
                let _ = self.control.kill(domain.id, death_cause(cause));
            }
        }
    }
}
