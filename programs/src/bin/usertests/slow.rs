//! Tests that take long: much data, many files, many processes.

use posix::fs::{self, File, OpenOptions};
use posix::prelude::*;
use posix::process;

use crate::failure::Outcome;
use crate::files::pattern;
use crate::{Test, check, children, same};

pub const TESTS: &[Test] = &[
    Test {
        name: "slow-large-file",
        run: large_file,
    },
    Test {
        name: "slow-many-files",
        run: many_files,
    },
    Test {
        name: "slow-deep-directories",
        run: deep_directories,
    },
    Test {
        name: "slow-random-writes",
        run: random_writes,
    },
    Test {
        name: "slow-many-processes",
        run: many_processes,
    },
    Test {
        name: "slow-processes-at-once",
        run: processes_at_once,
    },
    Test {
        name: "slow-large-pipe",
        run: large_pipe,
    },
    Test {
        name: "slow-full-disk",
        run: full_disk,
    },
];

const MIB: usize = 1 << 20;

fn large_file() -> Outcome {
    let piece = pattern(MIB, 5);
    let mut file = File::create("large")?;
    for _ in 0..20 {
        file.write_all(&piece)?;
    }
    drop(file);
    let mut file = File::open("large")?;
    let mut back = vec![0; MIB];
    for _ in 0..20 {
        file.read_exact(&mut back)?;
        check!(back == piece);
    }
    same!(file.read(&mut back)?, 0);
    Ok(())
}

fn many_files() -> Outcome {
    const COUNT: usize = 2_000;
    for number in 0..COUNT {
        fs::write(&format!("file-{number}"), format!("{number}"))?;
    }
    same!(fs::read_dir(".")?.count(), COUNT);
    for number in (0..COUNT).step_by(97) {
        same!(
            fs::read(&format!("file-{number}"))?,
            format!("{number}").into_bytes()
        );
    }
    for number in 0..COUNT {
        fs::remove_file(&format!("file-{number}"))?;
    }
    same!(fs::read_dir(".")?.count(), 0);
    Ok(())
}

fn deep_directories() -> Outcome {
    let start = posix::env::current_dir()?;
    for _ in 0..100 {
        fs::create_dir("d")?;
        posix::env::set_current_dir("d")?;
    }
    fs::write("bottom", "x")?;
    same!(posix::env::current_dir()?.len(), start.len() + 200);
    posix::env::set_current_dir(&start)?;
    same!(fs::read(&format!("{}bottom", "d/".repeat(100)))?, b"x");
    Ok(())
}

fn random_writes() -> Outcome {
    const SIZE: usize = 400_000;
    let mut model = vec![0; SIZE];
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .open("file")?;
    file.set_len(SIZE as u64)?;
    let numbers = pattern(6_000, 11);
    for (round, bytes) in numbers.chunks_exact(6).enumerate() {
        let start = usize::from(bytes[0]) * 1_500 + usize::from(bytes[1]) * 5;
        let length = (usize::from(bytes[2]) * 37).min(SIZE - start);
        let piece = pattern(length, u32::try_from(round).unwrap_or(0) + 1);
        model[start..start + length].copy_from_slice(&piece);
        let mut written = 0;
        while written < length {
            written += file.write_at(&piece[written..], (start + written) as u64)?;
        }
    }
    check!(fs::read("file")? == model);
    Ok(())
}

fn many_processes() -> Outcome {
    for round in 0..200 {
        let status = round % 256;
        let ended = children::command("exit")
            .arg(&status.to_string())
            .status()?;
        same!(ended.code(), status);
    }
    Ok(())
}

fn processes_at_once() -> Outcome {
    let mut sleepers = Vec::new();
    for _ in 0..30 {
        sleepers.push(children::start("sleep")?);
    }
    for sleeper in &sleepers {
        check!(sleeper.try_wait()?.is_none());
        sleeper.kill()?;
    }
    for sleeper in &sleepers {
        same!(sleeper.wait()?.code(), 137);
    }
    Ok(())
}

fn large_pipe() -> Outcome {
    fs::write("input", pattern(8 * MIB, 9))?;
    let input = File::open("input")?;
    let (mut reader, writer) = process::pipe()?;
    let child = children::command("copy")
        .descriptor(input.descriptor(), 0)
        .descriptor(writer.descriptor(), 1)
        .spawn()?;
    drop(writer);
    let mut back = Vec::new();
    reader.read_to_end(&mut back)?;
    check!(child.wait()?.success());
    check!(back == pattern(8 * MIB, 9));
    Ok(())
}

/// Fills the disk and empties it again.
fn full_disk() -> Outcome {
    let free = fs::file_system(".")?.free_blocks;
    let piece = vec![b'x'; MIB];
    let mut file = File::create("filler")?;
    let error = loop {
        if let Err(error) = file.write_all(&piece) {
            break error;
        }
    };
    same!(error.errno(), Some(process::Errno::ENOSPC));
    drop(file);
    fs::remove_file("filler")?;
    same!(fs::file_system(".")?.free_blocks, free);
    Ok(())
}
