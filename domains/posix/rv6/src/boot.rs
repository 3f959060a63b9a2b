//! From the boot archive's `boot` file to the first process, to power off.
//!
//! The file has one `key=value` per line. `exec`, which comes last and goes on
//! to the end of the file, is text for the shell: the system runs it and powers
//! off. Without it a person sits at the console. `input=true` passes console
//! input on although there is `exec`; `columns` and `rows` say how large the
//! terminal is. The same keys can stand in the domain's options; the file goes
//! first.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use interfaces::process::Authority;
use interfaces::supervisor::Supervisor;
use runtime::{BootArchive, Options};
use rv6::rv6::Rv6;
use rv6::starts::SpawnRequest;
use rv6::table::FIRST_PID;
use tar_no_std::TarArchiveRef;

use crate::kernel::Kernel;

/// Name of the file in the boot archive.
const FILE_NAME: &str = "boot";

/// The first program.
const SHELL: &[u8] = b"/bin/sh";

/// Environment of the first process.
const ENVIRONMENT: &str = "PATH=/bin\0HOME=/\0USER=root\0SHELL=/bin/sh\0TERM=vt100\0";

/// Exit status of the system when it could not even start the shell.
const STATUS_SYSTEM_FAILED: i32 = 125;

/// How the system is to be started.
pub struct BootText {
    exec: Option<String>,
    has_input: bool,
    environment: String,
}

impl BootText {
    /// Reads the boot file, if there is one, and the options.
    pub fn read(archive: &BootArchive, options: &Options) -> Self {
        let archive = archive.bytes().unwrap_or(&[]);
        let tar = TarArchiveRef::new(archive).ok();
        let file = tar.as_ref().and_then(|tar| {
            tar.entries()
                .find(|entry| entry.filename().as_str() == Ok(FILE_NAME))
        });
        let file = file.as_ref().map_or(&[][..], |entry| entry.data());
        let text = String::from_utf8_lossy(file).into_owned();
        let (settings, exec) = split_exec(&text);
        let settings = Options::new(settings.into());
        let value = |key: &str| settings.text(key).or(options.text(key));
        let exec = exec.or(options.text("exec")).map(String::from);
        let has_input = match value("input") {
            None => exec.is_none(),
            Some("true") => true,
            Some(_) => false,
        };
        let mut environment = String::from(ENVIRONMENT);
        for (key, name) in [("columns", "COLUMNS"), ("rows", "LINES")] {
            if let Some(value) = value(key) {
                environment += &format!("{name}={value}\0");
            }
        }
        Self {
            exec,
            has_input,
            environment,
        }
    }

    /// Whether a person sits at the console.
    pub const fn is_interactive(&self) -> bool {
        self.exec.is_none()
    }

    /// Whether there is console input for the programs.
    pub const fn has_input(&self) -> bool {
        self.has_input
    }
}

/// The settings, and the text of `exec`, which is the last of them.
fn split_exec(text: &str) -> (&str, Option<&str>) {
    if let Some(exec) = text.strip_prefix("exec=") {
        return ("", Some(exec));
    }
    match text.split_once("\nexec=") {
        Some((settings, exec)) => (settings, Some(exec)),
        None => (text, None),
    }
}

/// Runs the first process and powers off with its status.
pub fn run(rv6: &Arc<Rv6>, kernel: &Kernel, boot: &BootText) {
    let mut arguments = b"sh\0".to_vec();
    if let Some(exec) = &boot.exec {
        arguments.extend_from_slice(b"-c\0");
        arguments.extend(exec.bytes().filter(|byte| *byte != 0));
        arguments.push(0);
    }
    let status = first_process(rv6, &arguments, boot.environment.as_bytes());
    if rv6.shut_down().is_err() {
        log::error!("the file system could not be synced");
    }
    if let Some(supervisor) = rv6.supervisor(true) {
        // The supervisor ends this domain, too.
        if matches!(supervisor.power_off(status.unsigned_abs()), Ok(Ok(()))) {
            return;
        }
    }
    kernel.power_off(status)
}

fn first_process(rv6: &Arc<Rv6>, arguments: &[u8], environment: &[u8]) -> i32 {
    let request = SpawnRequest {
        path: SHELL,
        arguments,
        environment,
        authority: Authority::HandOn,
    };
    // A predecessor may have started it.
    let started = match rv6.table().exists(FIRST_PID) {
        true => Ok(FIRST_PID),
        false => rv6.start_first(&request),
    };
    let pid = match started {
        Ok(pid) => pid,
        Err(refusal) => {
            let message = refusal.message.unwrap_or_default();
            log::error!("/bin/sh cannot be started: {:?} {message}", refusal.errno);
            return STATUS_SYSTEM_FAILED;
        }
    };
    let status = rv6.table().wait_end(pid).map_or(0, |ended| ended.status);
    i32::try_from(status).unwrap_or(STATUS_SYSTEM_FAILED)
}
