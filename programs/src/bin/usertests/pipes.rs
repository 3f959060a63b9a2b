//! Tests of pipes.

use posix::prelude::*;
use posix::process;
use posix::time::{self, Duration};

use crate::failure::Outcome;
use crate::files::pattern;
use crate::{Test, check, children, fails, same};

pub const TESTS: &[Test] = &[
    Test {
        name: "pipe",
        run: pipe,
    },
    Test {
        name: "pipe-ends",
        run: ends,
    },
    Test {
        name: "pipe-through-child",
        run: through_child,
    },
    Test {
        name: "pipe-closed-reader",
        run: closed_reader,
    },
    Test {
        name: "pipe-killed-reader",
        run: killed_reader,
    },
];

fn pipe() -> Outcome {
    let (mut reader, mut writer) = process::pipe()?;
    writer.write_all(b"through the pipe")?;
    let mut bytes = [0; 7];
    reader.read_exact(&mut bytes)?;
    same!(&bytes, b"through");
    drop(writer);
    let mut rest = String::new();
    reader.read_to_string(&mut rest)?;
    same!(rest.as_str(), " the pipe");
    same!(reader.read(&mut bytes)?, 0);
    Ok(())
}

fn ends() -> Outcome {
    let (mut reader, mut writer) = process::pipe()?;
    fails!(reader.write(b"x"), EBADF);
    fails!(writer.read(&mut [0]), EBADF);
    fails!(reader.seek(posix::io::SeekFrom::Start(0)), ESPIPE);
    fails!(reader.read_at(&mut [0], 0), ESPIPE);
    drop(reader);
    fails!(writer.write(b"x"), EPIPE);
    Ok(())
}

fn through_child() -> Outcome {
    let (input, mut to_child) = process::pipe()?;
    let (mut from_child, output) = process::pipe()?;
    let child = children::command("copy")
        .descriptor(input.descriptor(), 0)
        .descriptor(output.descriptor(), 1)
        .spawn()?;
    drop((input, output));
    let bytes = pattern(50_000, 3);
    to_child.write_all(&bytes)?;
    drop(to_child);
    let mut back = Vec::new();
    from_child.read_to_end(&mut back)?;
    check!(back == bytes);
    check!(child.wait()?.success());
    Ok(())
}

fn closed_reader() -> Outcome {
    let (reader, writer) = process::pipe()?;
    let child = children::command("fill")
        .descriptor(writer.descriptor(), 1)
        .spawn()?;
    drop(writer);
    time::sleep(Duration::from_millis(20));
    check!(child.try_wait()?.is_none());
    drop(reader);
    same!(child.wait()?.code(), 141);
    Ok(())
}

fn killed_reader() -> Outcome {
    let (reader, writer) = process::pipe()?;
    let child = children::command("read")
        .descriptor(reader.descriptor(), 0)
        .spawn()?;
    drop(reader);
    time::sleep(Duration::from_millis(20));
    child.kill()?;
    same!(child.wait()?.code(), 137);
    let mut writer = writer;
    fails!(writer.write(b"x"), EPIPE);
    Ok(())
}
