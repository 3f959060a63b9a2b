//! Runs a folder of shell scripts, each in a place and a shell of its own.
//!
//! `corpus FOLDER COUNT` runs `FOLDER/in/0`, `FOLDER/in/1`, … and leaves of each what
//! it printed (`FOLDER/out/0.out`, `.err`) and how it ended (`.status`). The tool puts
//! the scripts there and compares (tool/src/test/corpus).
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::{self, File};
use posix::prelude::*;
use posix::process::{Child, Command};
use posix::time::{self, Duration};
use posix::{env, io};

const SWITCHES: Switches = Switches::new("", "corpus FOLDER COUNT");

/// How often a script's end is looked for.
const POLL: Duration = Duration::from_millis(1);

/// As many looks may find it running.
const POLLS_MAX: u32 = 10_000;

#[posix::main]
fn main() -> io::Result<()> {
    let options = Options::parse(&SWITCHES);
    let [folder, count] = options.operands() else {
        options.usage()
    };
    let Ok(count) = count.parse::<u32>() else {
        options.usage()
    };
    fs::create_dir(&format!("{folder}/out"))?;
    for number in 0..count {
        let status = run(folder, number)?;
        fs::write(&format!("{folder}/out/{number}.status"), status)?;
    }
    println!("{count} done");
    Ok(())
}

/// Runs a script in an empty folder; how it ended.
fn run(folder: &str, number: u32) -> io::Result<String> {
    let place = format!("{folder}/in/place{number}");
    fs::create_dir(&place)?;
    env::set_current_dir(&place)?;
    let input = File::open("/dev/null")?;
    let output = File::create(&format!("{folder}/out/{number}.out"))?;
    let errors = File::create(&format!("{folder}/out/{number}.err"))?;
    let child = Command::new("/bin/sh")
        .arg(&format!("../{number}"))
        .env_clear()
        .env("PATH", "/bin")
        .env("HOME", "/")
        .descriptor(input.descriptor(), 0)
        .descriptor(output.descriptor(), 1)
        .descriptor(errors.descriptor(), 2)
        .spawn()?;
    wait(child)
}

fn wait(child: Child) -> io::Result<String> {
    for _ in 0..POLLS_MAX {
        if let Some(status) = child.try_wait()? {
            return Ok(match status.cause_text() {
                None => status.code().to_string(),
                Some(text) => text.into(),
            });
        }
        time::sleep(POLL);
    }
    child.kill()?;
    child.wait()?;
    Ok("did not end".into())
}
