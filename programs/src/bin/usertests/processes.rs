//! Tests of processes: start, end, death.

use posix::fs;
use posix::io;
use posix::prelude::*;
use posix::process::{self, Command};
use posix::time::{self, Duration, Instant};

use crate::failure::Outcome;
use crate::{Test, check, children, fails, same};

pub const TESTS: &[Test] = &[
    Test {
        name: "spawn-status",
        run: status,
    },
    Test {
        name: "spawn-arguments",
        run: arguments,
    },
    Test {
        name: "spawn-descriptors",
        run: descriptors,
    },
    Test {
        name: "spawn-errors",
        run: errors,
    },
    Test {
        name: "spawn-altered-image",
        run: altered_image,
    },
    Test {
        name: "spawn-script",
        run: script,
    },
    Test {
        name: "wait",
        run: wait,
    },
    Test {
        name: "kill",
        run: kill,
    },
    Test {
        name: "orphans",
        run: orphans,
    },
    Test {
        name: "death-panic",
        run: death_panic,
    },
    Test {
        name: "death-stack",
        run: death_stack,
    },
    Test {
        name: "death-divide",
        run: death_divide,
    },
    Test {
        name: "death-loop",
        run: death_loop,
    },
    Test {
        name: "process-list",
        run: list,
    },
    Test {
        name: "clock",
        run: clock,
    },
];

/// The program that crashes by itself.
const CRASHME: &str = "/bin/crashme";

fn status() -> Outcome {
    for status in [0, 1, 7, 255] {
        let ended = children::command("exit")
            .arg(&status.to_string())
            .status()?;
        same!((ended.code(), ended.cause()), (status, 0));
    }
    Ok(())
}

fn arguments() -> Outcome {
    fs::create_dir("here")?;
    let before = posix::env::current_dir()?;
    posix::env::set_current_dir("here")?;
    let command = children::command("say").args(["one", "", "three four", "ü"]);
    let output = command.env("USERTESTS", "a=b").output();
    posix::env::set_current_dir(&before)?;
    let (ended, output) = output?;
    check!(ended.success());
    let expected = format!("one||three four|ü\na=b\n{before}/here\n");
    same!(String::from_utf8_lossy(&output).into_owned(), expected);
    let (_, output) = children::command("say").env_clear().output()?;
    check!(String::from_utf8_lossy(&output).contains("unset"));
    Ok(())
}

fn descriptors() -> Outcome {
    fs::write("file", "x")?;
    let file = fs::File::open("file")?;
    let command = children::command("descriptors");
    same!(command.status()?.code(), 3);
    same!(
        command
            .clone()
            .descriptor(file.descriptor(), 9)
            .status()?
            .code(),
        4
    );
    same!(command.clone().without_descriptor(0).status()?.code(), 2);
    fails!(command.clone().descriptor(60, 9).spawn(), EBADF);
    Ok(())
}

fn errors() -> Outcome {
    fails!(Command::new("/none").spawn(), ENOENT);
    fails!(Command::new("/bin").spawn(), EACCES);
    fs::write("text", "no image")?;
    fails!(Command::new("./text").spawn(), EACCES);
    fs::set_permissions("text", 0o755)?;
    fails!(Command::new("./text").spawn(), ENOEXEC);
    fs::write("empty", "")?;
    fs::set_permissions("empty", 0o755)?;
    fails!(Command::new("./empty").spawn(), ENOEXEC);
    Ok(())
}

fn altered_image() -> Outcome {
    let mut bytes = fs::read("/bin/true")?;
    fs::write("program", &bytes)?;
    fs::set_permissions("program", 0o755)?;
    check!(Command::new("./program").status()?.success());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write("program", &bytes)?;
    let (reader, errors) = process::pipe()?;
    fails!(
        Command::new("./program")
            .descriptor(errors.descriptor(), 2)
            .spawn(),
        ENOEXEC
    );
    drop(errors);
    let mut reader = reader;
    let mut message = String::new();
    reader.read_to_string(&mut message)?;
    check!(message.contains("refused"));
    Ok(())
}

fn script() -> Outcome {
    fs::write("script", "#!/bin/sh\necho $1 $2; exit 5\n")?;
    fs::set_permissions("script", 0o755)?;
    let (ended, output) = Command::new("./script").args(["a", "b"]).output()?;
    same!(ended.code(), 5);
    same!(output, b"a b\n");
    fs::write("circle", "#!circle\n")?;
    fs::set_permissions("circle", 0o755)?;
    fails!(Command::new("./circle").spawn(), ELOOP);
    Ok(())
}

fn wait() -> Outcome {
    fails!(process::wait(0), ECHILD);
    fails!(process::wait(process::id()), ECHILD);
    let sleeper = children::start("sleep")?;
    check!(sleeper.try_wait()?.is_none());
    let quick = children::start("exit")?;
    same!(process::wait(0)?.pid(), quick.id());
    sleeper.kill()?;
    same!(process::wait(sleeper.id())?.pid(), sleeper.id());
    fails!(sleeper.wait(), ECHILD);
    Ok(())
}

fn kill() -> Outcome {
    for what in ["sleep", "fill"] {
        let (_reader, writer) = process::pipe()?;
        let child = children::command(what)
            .descriptor(writer.descriptor(), 1)
            .spawn()?;
        time::sleep(Duration::from_millis(20));
        let start = Instant::now();
        child.kill()?;
        let ended = child.wait()?;
        same!((ended.code(), ended.cause_text()), (137, Some("killed")));
        check!(start.elapsed() < Duration::from_millis(500));
    }
    fails!(process::kill(99_999), ESRCH);
    fails!(process::kill(1), EPERM);
    let at_once = children::start("sleep")?;
    at_once.kill()?;
    same!(at_once.wait()?.code(), 137);
    Ok(())
}

fn orphans() -> Outcome {
    let (ended, output) = children::command("orphan").output()?;
    check!(ended.success());
    let pid: u32 = String::from_utf8_lossy(&output).trim().parse().unwrap_or(0);
    check!(pid > 1);
    for _ in 0..100 {
        match process::processes()?.iter().find(|one| one.pid == pid) {
            None => return Ok(()),
            Some(orphan) => same!(orphan.parent, 1),
        }
        time::sleep(Duration::from_millis(10));
    }
    check!(process::processes()?.iter().all(|one| one.pid != pid));
    Ok(())
}

fn death(way: &str) -> io::Result<(i32, Option<&'static str>)> {
    let ended = Command::new(CRASHME)
        .arg(way)
        .without_descriptor(2)
        .status()?;
    Ok((ended.code(), ended.cause_text()))
}

fn death_panic() -> Outcome {
    same!(death("panic")?, (134, Some("panic")));
    Ok(())
}

fn death_stack() -> Outcome {
    same!(death("stack")?, (139, Some("stack overflow")));
    Ok(())
}

fn death_divide() -> Outcome {
    // The compiler checks divisors, so this is a panic, too.
    same!(death("divide")?, (134, Some("panic")));
    Ok(())
}

fn death_loop() -> Outcome {
    // An emulator's host may be busy with something else for longer than that.
    let mut outcome = Ok(());
    for _ in 0..5 {
        outcome = end_loop_in_time();
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn end_loop_in_time() -> Outcome {
    let child = Command::new(CRASHME).arg("loop").spawn()?;
    time::sleep(Duration::from_millis(20));
    let start = Instant::now();
    child.kill()?;
    let ended = child.wait()?;
    same!((ended.code(), ended.cause_text()), (137, Some("killed")));
    check!(start.elapsed() < Duration::from_millis(100));
    Ok(())
}

fn list() -> Outcome {
    let child = children::start("sleep")?;
    let all = process::processes()?;
    let Some(found) = all.iter().find(|one| one.pid == child.id()) else {
        child.kill()?;
        check!(all.is_empty());
        return Ok(());
    };
    same!(found.parent, process::id());
    check!(found.command.ends_with("--child sleep"));
    same!(found.descriptors, 3);
    child.kill()?;
    child.wait()?;
    check!(
        process::processes()?
            .iter()
            .all(|one| one.pid != child.id())
    );
    Ok(())
}

fn clock() -> Outcome {
    let start = Instant::now();
    time::sleep(Duration::from_millis(30));
    let slept = start.elapsed();
    check!(slept >= Duration::from_millis(30) && slept < Duration::from_secs(2));
    check!(time::since_epoch().as_secs() > 1_600_000_000);
    let mut last = Instant::now();
    for _ in 0..1_000 {
        let now = Instant::now();
        check!(now >= last);
        last = now;
    }
    Ok(())
}
