//! The process's own object in Rv6, and calls to it.

use exchange::{Proxy, RpcResult};
use interfaces::process::{Errno, Process};
use interfaces::supervisor::Supervisor;
use runtime::sync::Once;

use crate::calls::Calls;
use crate::io;
use crate::process::end_killed;

static PROCESS: Once<Calls<Proxy<dyn Process>>> = Once::new();

/// Keeps the process's object, once.
pub(crate) fn set(process: Proxy<dyn Process>) {
    // A second object would be another process's; there is only one start.
    let _ = PROCESS.set(Calls::new(process));
}

/// The process's own object: every system call, without comfort, but made again
/// on Rv6's successor if Rv6 dies.
#[must_use]
pub fn system() -> &'static Calls<Proxy<dyn Process>> {
    PROCESS
        .get()
        .expect("a program starts with its process's object")
}

/// Turns the answer of a system call into a result.
///
/// Rv6 interrupts a call only to let a killed process end: it ends here.
pub(crate) fn check<T>(answer: RpcResult<Result<T, Errno>>) -> io::Result<T> {
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Errno::EINTR)) => end_killed(),
        Ok(Err(errno)) => Err(errno.into()),
        Err(_) => Err(Errno::EIO.into()),
    }
}

/// The supervisor. It lets programs observe the system, and change it if this one may
/// ([`crate::process::Command::authority`]).
///
/// # Errors
/// If Rv6 was not given it.
pub fn supervisor() -> io::Result<Proxy<dyn Supervisor>> {
    check(system().supervisor())
}
