//! What other processes of a test do: `usertests --child NAME [ARGUMENT...]`.

use posix::prelude::*;
use posix::process::{self, Child, Command};
use posix::time::{self, Duration};
use posix::{env, io};

use crate::{PROGRAM, threads};

/// First argument of a child.
pub const OPTION: &str = "--child";

/// A child that does what `name` says.
pub fn command(name: &str) -> Command {
    Command::new(PROGRAM).arg(OPTION).arg(name)
}

/// Starts a child that does what `name` says.
pub fn start(name: &str) -> io::Result<Child> {
    command(name).spawn()
}

/// Does what the first argument says.
pub fn run(arguments: &[String]) -> ExitCode {
    match arguments.first().map(String::as_str) {
        Some("exit") => {
            let status = arguments.get(1).and_then(|text| text.parse().ok());
            process::exit(status.unwrap_or(0))
        }
        Some("say") => {
            println!("{}", arguments[1..].join("|"));
            println!(
                "{}",
                env::var("USERTESTS").unwrap_or_else(|| "unset".into())
            );
            println!("{}", env::current_dir().unwrap_or_default());
            ExitCode::SUCCESS
        }
        Some("sleep") => {
            time::sleep(Duration::from_secs(1_000_000));
            ExitCode::SUCCESS
        }
        Some("read") => ExitCode::from(io::stdin().read(&mut [0]).is_ok()),
        Some("copy") => {
            let copied = io::copy(&mut io::stdin(), &mut io::stdout());
            ExitCode::from(copied.is_ok())
        }
        Some("fill") => loop {
            print!("{:4096}", "");
        },
        Some("descriptors") => {
            let open = |number: &u32| matches!(posix::system().fstat(*number), Ok(Ok(_)));
            let count = (0..64).filter(open).count();
            process::exit(i32::try_from(count).unwrap_or(-1))
        }
        Some("orphan") => match command("nap").spawn() {
            Ok(child) => {
                println!("{}", child.id());
                ExitCode::SUCCESS
            }
            Err(_) => ExitCode::FAILURE,
        },
        Some("threads") => {
            let outcome = threads::work_until_there_is(arguments[1..].concat());
            if let Err(failure) = &outcome {
                complain!("{failure}");
            }
            ExitCode::from(outcome.is_ok())
        }
        Some("nap") => {
            time::sleep(Duration::from_millis(50));
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(99),
    }
}
