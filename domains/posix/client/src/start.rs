//! From the entry of the image to `main`, and back to an exit status.

use exchange::Proxy;
use interfaces::process::Process;

use crate::process::Termination;
use crate::{env, process, system};

/// Runs `main` as the program of `process`; never returns.
///
/// `arguments` is what Rv6 encodes: the length of the arguments in four bytes,
/// the arguments, the environment, each string ended by a zero byte.
pub fn start<T: Termination>(
    process: Proxy<dyn Process>,
    arguments: &[u8],
    main: fn() -> T,
) -> i32 {
    system::set(process);
    let (arguments, environment) = split(arguments);
    env::set(arguments, environment);
    process::exit(main().status())
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return (&[], &[]);
    };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    rest.split_at(length.min(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn arguments_and_environment() {
        assert_eq!(split(b"\x03\0\0\0ls\0A=1\0"), (&b"ls\0"[..], &b"A=1\0"[..]));
        assert_eq!(split(b"\xff\0\0\0ls\0"), (&b"ls\0"[..], &b""[..]));
        assert_eq!(split(b""), (&b""[..], &b""[..]));
    }
}
