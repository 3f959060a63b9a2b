//! Tests of files: contents, offsets, descriptors.

use posix::fs::{self, File, OpenOptions};
use posix::io::SeekFrom;
use posix::prelude::*;
use posix::system;

use crate::failure::Outcome;
use crate::{Test, check, fails, same};

pub const TESTS: &[Test] = &[
    Test {
        name: "file-contents",
        run: contents,
    },
    Test {
        name: "file-offsets",
        run: offsets,
    },
    Test {
        name: "file-holes",
        run: holes,
    },
    Test {
        name: "file-truncate",
        run: truncate,
    },
    Test {
        name: "file-append",
        run: append,
    },
    Test {
        name: "file-at",
        run: at,
    },
    Test {
        name: "file-open-errors",
        run: open_errors,
    },
    Test {
        name: "file-exclusive",
        run: exclusive,
    },
    Test {
        name: "file-unlinked",
        run: unlinked,
    },
    Test {
        name: "file-attributes",
        run: attributes,
    },
    Test {
        name: "file-sync",
        run: sync,
    },
    Test {
        name: "descriptor-duplicates",
        run: duplicates,
    },
    Test {
        name: "descriptor-limit",
        run: limit,
    },
    Test {
        name: "devices",
        run: devices,
    },
];

/// Bytes that are different at every offset for a long way.
pub fn pattern(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut bytes = Vec::with_capacity(length);
    for _ in 0..length {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.push(state.to_le_bytes()[1]);
    }
    bytes
}

fn contents() -> Outcome {
    for length in [0, 1, 1_023, 1_024, 4_096, 12 * 1_024 + 1, 300_000] {
        let bytes = pattern(length, 7);
        fs::write("file", &bytes)?;
        check!(fs::read("file")? == bytes);
        same!(fs::metadata("file")?.len(), length as u64);
    }
    Ok(())
}

fn offsets() -> Outcome {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .open("file")?;
    file.write_all(b"0123456789")?;
    same!(file.seek(SeekFrom::Start(3))?, 3);
    let mut bytes = [0; 3];
    file.read_exact(&mut bytes)?;
    same!(&bytes, b"345");
    same!(file.seek(SeekFrom::Current(-2))?, 4);
    same!(file.seek(SeekFrom::End(-1))?, 9);
    same!(file.read(&mut bytes)?, 1);
    same!(file.read(&mut bytes)?, 0);
    fails!(file.seek(SeekFrom::Current(-11)), EINVAL);
    same!(file.seek(SeekFrom::Current(0))?, 10);
    Ok(())
}

fn holes() -> Outcome {
    let mut file = File::create("file")?;
    file.seek(SeekFrom::Start(1_000_000))?;
    file.write_all(b"end")?;
    let bytes = fs::read("file")?;
    same!(bytes.len(), 1_000_003);
    check!(bytes[..1_000_000].iter().all(|byte| *byte == 0));
    check!(bytes.ends_with(b"end"));
    check!(fs::metadata("file")?.attributes().blocks < 1_000);
    Ok(())
}

fn truncate() -> Outcome {
    fs::write("file", pattern(50_000, 1))?;
    fs::truncate("file", 20_001)?;
    check!(fs::read("file")? == pattern(20_001, 1));
    fs::truncate("file", 30_000)?;
    let bytes = fs::read("file")?;
    check!(bytes[20_001..].iter().all(|byte| *byte == 0) && bytes.len() == 30_000);
    let file = OpenOptions::new().write(true).open("file")?;
    file.set_len(0)?;
    same!(file.metadata()?.len(), 0);
    fails!(File::open("file")?.set_len(1), EINVAL);
    fails!(fs::truncate(".", 0), EISDIR);
    fails!(fs::truncate("none", 0), ENOENT);
    Ok(())
}

fn append() -> Outcome {
    let how = OpenOptions::new().append(true).create(true);
    let mut one = how.open("file")?;
    let mut two = how.open("file")?;
    for round in 0..10 {
        one.write_all(b"one")?;
        two.seek(SeekFrom::Start(0))?;
        two.write_all(b"two")?;
        same!(fs::metadata("file")?.len(), (round + 1) * 6);
    }
    same!(fs::read("file")?, b"onetwo".repeat(10));
    Ok(())
}

fn at() -> Outcome {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .open("file")?;
    file.write_all(b"0123456789")?;
    same!(file.write_at(b"xy", 4)?, 2);
    let mut bytes = [0; 4];
    same!(file.read_at(&mut bytes, 3)?, 4);
    same!(&bytes, b"3xy6");
    same!(file.read_at(&mut bytes, 8)?, 2);
    same!(file.read_at(&mut bytes, 100)?, 0);
    same!(file.seek(SeekFrom::Current(0))?, 10);
    Ok(())
}

fn open_errors() -> Outcome {
    fails!(File::open("none"), ENOENT);
    fails!(File::open("none/inner"), ENOENT);
    fails!(File::create("none/inner"), ENOENT);
    fails!(File::create("."), EISDIR);
    fs::write("file", "x")?;
    fails!(File::open("file/inner"), ENOTDIR);
    fails!(File::open("file/"), ENOTDIR);
    fails!(File::open(""), ENOENT);
    fails!(OpenOptions::new().open("file"), EINVAL);
    fails!(fs::read_dir("file"), ENOTDIR);
    fails!(File::open(".")?.read(&mut [0]), EISDIR);
    fails!(File::open("file")?.write(b"x"), EBADF);
    fails!(File::create("file")?.read(&mut [0]), EBADF);
    Ok(())
}

fn exclusive() -> Outcome {
    let how = OpenOptions::new().write(true).create_new(true);
    drop(how.open("file")?);
    fails!(how.open("file"), EEXIST);
    fs::symlink("nothing", "link")?;
    fails!(how.open("link"), EEXIST);
    Ok(())
}

fn unlinked() -> Outcome {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .open("file")?;
    file.write_all(b"before")?;
    fs::remove_file("file")?;
    fails!(fs::metadata("file"), ENOENT);
    file.write_all(b" after")?;
    file.seek(SeekFrom::Start(0))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    same!(text.as_str(), "before after");
    same!(file.metadata()?.attributes().links, 0);
    let free = fs::file_system(".")?.free_inodes;
    drop(file);
    same!(fs::file_system(".")?.free_inodes, free + 1);
    Ok(())
}

fn attributes() -> Outcome {
    fs::write("file", "x")?;
    fs::set_permissions("file", 0o640)?;
    fs::set_times("file", 1_000_000_000, 1_100_000_000)?;
    let found = fs::metadata("file")?;
    same!(found.attributes().mode & 0o7777, 0o640);
    same!(found.attributes().accessed_s, 1_000_000_000);
    same!(found.attributes().modified_s, 1_100_000_000);
    check!(found.is_file() && !found.is_dir());
    check!(fs::metadata(".")?.is_dir());
    same!(fs::metadata(".")?.attributes().links, 2);
    fails!(fs::set_permissions("none", 0), ENOENT);
    Ok(())
}

fn sync() -> Outcome {
    let mut file = File::create("file")?;
    file.write_all(b"x")?;
    file.sync_all()?;
    fs::sync()?;
    check!(fs::file_system(".")?.free_blocks <= fs::file_system("/")?.blocks);
    Ok(())
}

fn duplicates() -> Outcome {
    fs::write("file", "abcdef")?;
    let mut one = File::open("file")?;
    let duplicate = system().dup(one.descriptor());
    check!(matches!(duplicate, Ok(Ok(_))));
    let mut two = File::from_descriptor(duplicate.unwrap_or(Ok(0)).unwrap_or(0));
    let mut byte = [0];
    one.read_exact(&mut byte)?;
    two.read_exact(&mut byte)?;
    same!(&byte, b"b");
    drop(one);
    two.read_exact(&mut byte)?;
    same!(&byte, b"c");
    same!(system().dup2(two.descriptor(), 40), Ok(Ok(40)));
    drop(File::from_descriptor(40));
    check!(matches!(system().dup2(two.descriptor(), 1_000), Ok(Err(_))));
    check!(matches!(system().dup(200), Ok(Err(_))));
    check!(matches!(system().close(200), Ok(Err(_))));
    Ok(())
}

fn limit() -> Outcome {
    fs::write("file", "x")?;
    let mut files = Vec::new();
    let last = loop {
        match File::open("file") {
            Ok(file) => files.push(file),
            other => break other,
        }
        check!(files.len() <= 256);
    };
    fails!(last, EMFILE);
    check!(files.len() >= 200);
    files.pop();
    drop(File::open("file")?);
    Ok(())
}

fn devices() -> Outcome {
    same!(fs::read("/dev/null")?.len(), 0);
    File::create("/dev/null")?.write_all(b"gone")?;
    let mut bytes = [1; 100];
    File::open("/dev/zero")?.read_exact(&mut bytes)?;
    check!(bytes.iter().all(|byte| *byte == 0));
    File::open("/dev/random")?.read_exact(&mut bytes)?;
    check!(bytes.iter().any(|byte| *byte != 0));
    let mut names = Vec::new();
    for entry in fs::read_dir("/dev")? {
        names.push(String::from(entry?.file_name()));
    }
    check!(
        ["console", "null", "zero", "random"]
            .iter()
            .all(|name| names.iter().any(|n| n == name))
    );
    fails!(File::create("/dev/new"), EROFS);
    Ok(())
}
