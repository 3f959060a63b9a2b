//! From grants to parameters, and from a result to the frame.
#![expect(missing_docs, reason = "a test has no readers of documentation")]

use std::sync::Arc;

use abi::grant::{Grant, GrantKind, StartFrame, StartResult};
use exchange::{Interface, RpcResult, interface};
use runtime::entry::{Grants, Outcome, start_domain};
use runtime::{Bytes, Options, Proxy, StartError, start_program};

#[interface]
pub trait Echo {
    fn echo(&self, value: u32) -> RpcResult<u32>;
}

struct Plus(u32);

impl Echo for Plus {
    fn echo(&self, value: u32) -> RpcResult<u32> {
        Ok(value + self.0)
    }
}

fn proxy_grant() -> Grant {
    let proxy = Proxy::export(Arc::new(Plus(1)) as Arc<dyn Echo>);
    // SAFETY: the address goes to the start below only.
    let object = unsafe { Proxy::into_object(proxy) };
    grant(
        GrantKind::Proxy,
        <dyn Echo>::FINGERPRINT,
        object.as_ptr() as u64,
        0,
    )
}

fn grant(kind: GrantKind, fingerprint: u64, first: u64, second: u64) -> Grant {
    Grant {
        kind: kind as u32,
        reserved: 0,
        fingerprint,
        first,
        second,
    }
}

fn bytes_grant(kind: GrantKind, bytes: &[u8]) -> Grant {
    grant(kind, 0, bytes.as_ptr() as u64, bytes.len() as u64)
}

fn frame(grants: &[Grant]) -> StartFrame {
    StartFrame {
        grants: grants.as_ptr(),
        grant_count: grants.len(),
        result: StartResult::Running as u32,
        exit_status: 0,
        object: std::ptr::null_mut(),
        error_length: 0,
        error: [0; 160],
    }
}

fn start<T: Outcome>(
    grants: &[Grant],
    function: impl FnOnce(&mut Grants<'_>) -> Result<T, StartError>,
) -> StartFrame {
    let mut frame = frame(grants);
    // SAFETY: the frame and its grants live for the call.
    unsafe { start_domain(&raw mut frame, function) };
    frame
}

fn error(frame: &StartFrame) -> &str {
    assert_eq!(frame.result, StartResult::Failed as u32);
    str::from_utf8(&frame.error[..frame.error_length]).unwrap()
}

#[test]
fn a_domain_gets_its_parameters_and_provides_an_object() {
    let grants = [
        proxy_grant(),
        bytes_grant(GrantKind::Text, b"add=4"),
        grant(GrantKind::Absent, 0, 0, 0),
    ];
    let frame = start(&grants, |grants| {
        let inner: Proxy<dyn Echo> = grants.take("inner")?;
        let options: Options = grants.take("options")?;
        let other: Option<Proxy<dyn Echo>> = grants.take("other")?;
        assert!(other.is_none());
        assert_eq!(inner.echo(1), Ok(2));
        let add = u32::try_from(options.number("add", 0)?)?;
        Ok(Arc::new(Plus(add)) as Arc<dyn Echo>)
    });
    assert_eq!(frame.result, StartResult::Provides as u32);
    let object = std::ptr::NonNull::new(frame.object.cast()).unwrap();
    // SAFETY: the domain, this test, owns the object it provided.
    let echo: Proxy<dyn Echo> = unsafe { Proxy::from_object(object) };
    assert_eq!(echo.echo(10), Ok(14));
}

#[test]
fn what_is_wrong_stands_in_the_frame() {
    let missing = start::<()>(&[], |grants| grants.take::<Options>("options").map(drop));
    assert_eq!(error(&missing), "parameter `options` was not granted");

    let kind = [bytes_grant(GrantKind::Bytes, b"x")];
    let kind = start::<()>(&kind, |grants| {
        grants.take::<Proxy<dyn Echo>>("disk").map(drop)
    });
    assert_eq!(
        error(&kind),
        "parameter `disk` was granted as another kind (expected Proxy)"
    );

    let version = [grant(GrantKind::Proxy, 1, 0, 0)];
    let version = start::<()>(&version, |grants| {
        grants.take::<Proxy<dyn Echo>>("disk").map(drop)
    });
    assert_eq!(
        error(&version),
        "parameter `disk` is another version of interface Echo"
    );

    let long = start::<()>(&[], |_| Err(StartError::new("ä".repeat(100))));
    assert_eq!(error(&long), "ä".repeat(80));

    let stays = start(&[], |_| Ok(()));
    assert_eq!(stays.result, StartResult::Stays as u32);
}

#[test]
fn a_program_ends_with_its_status() {
    let grants = [proxy_grant(), bytes_grant(GrantKind::Bytes, b"ls\0-l")];
    let mut frame = frame(&grants);
    // SAFETY: the frame and its grants live for the call.
    unsafe {
        start_program::<dyn Echo, _>(&raw mut frame, |process, arguments: Bytes| {
            assert_eq!(arguments.0, b"ls\0-l");
            i32::try_from(process.echo(2).unwrap()).unwrap()
        });
    }
    assert_eq!(frame.result, StartResult::Exited as u32);
    assert_eq!(frame.exit_status, 3);
}
