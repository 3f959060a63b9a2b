//! Arguments, environment, working directory.

use alloc::string::{String, ToString};
use alloc::vec::{self, Vec};

use interfaces::process::PATH_MAX;
use runtime::sync::Mutex;

use crate::io;
use crate::system::{check, system};

struct State {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

static STATE: Mutex<State> = Mutex::new(State {
    arguments: Vec::new(),
    variables: Vec::new(),
});

/// Takes over what the program was started with.
pub(crate) fn set(arguments: &[u8], environment: &[u8]) {
    let mut state = STATE.lock();
    state.arguments = strings(arguments).collect();
    let variables = strings(environment).filter_map(|text| {
        text.split_once('=')
            .map(|(name, value)| (name.into(), value.into()))
    });
    state.variables = variables.collect();
}

fn strings(bytes: &[u8]) -> impl Iterator<Item = String> {
    let texts = bytes.split_inclusive(|byte| *byte == 0);
    texts.map(|text| String::from_utf8_lossy(text.strip_suffix(&[0]).unwrap_or(text)).into_owned())
}

/// The arguments; the first is the name the program was called by.
#[must_use]
pub fn args() -> vec::IntoIter<String> {
    STATE.lock().arguments.clone().into_iter()
}

/// The name the program was called by, without directories.
#[must_use]
pub fn program_name() -> String {
    let state = STATE.lock();
    let called = state.arguments.first().map_or("", String::as_str);
    crate::path::file_name(called).to_string()
}

/// The value of a variable.
#[must_use]
pub fn var(name: &str) -> Option<String> {
    let state = STATE.lock();
    state
        .variables
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.clone())
}

/// All variables.
#[must_use]
pub fn vars() -> vec::IntoIter<(String, String)> {
    STATE.lock().variables.clone().into_iter()
}

/// Sets a variable, for this program and those it starts from now on.
pub fn set_var(name: &str, value: &str) {
    let mut state = STATE.lock();
    match state.variables.iter_mut().find(|(key, _)| key == name) {
        Some((_, old)) => *old = value.into(),
        None => state.variables.push((name.into(), value.into())),
    }
}

/// Removes a variable.
pub fn remove_var(name: &str) {
    STATE.lock().variables.retain(|(key, _)| key != name);
}

/// The working directory.
///
/// # Errors
/// As `getcwd`.
pub fn current_dir() -> io::Result<String> {
    let mut path = [0; PATH_MAX];
    let length = check(system().getcwd(&mut path))?;
    let length = usize::try_from(length).unwrap_or(0).min(PATH_MAX);
    Ok(String::from_utf8_lossy(&path[..length]).into_owned())
}

/// Changes the working directory.
///
/// # Errors
/// As `chdir`.
pub fn set_current_dir(path: &str) -> io::Result<()> {
    check(system().chdir(path.as_bytes()))
}
