//! Prints who runs this: there is root only.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;

const SWITCHES: Switches = Switches::new("ugGnr", "id [-u | -g | -G] [-n] [-r] [USER]")
    .long(&[
        ("user", 'u'),
        ("group", 'g'),
        ("groups", 'G'),
        ("name", 'n'),
    ])
    .example("id -un")
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let choices = "ugG".chars().filter(|letter| options.has(*letter)).count();
    if options.operands().len() > 1 || choices > 1 || choices == 0 && options.has('n') {
        options.usage();
    }
    if let [user] = options.operands()
        && !["root", "0"].contains(&user.as_str())
    {
        complain!("{user}: no such user");
        return ExitCode::FAILURE;
    }
    match (choices, options.has('n')) {
        (0, _) => println!("uid=0(root) gid=0(root) groups=0(root)"),
        (_, true) => println!("root"),
        (_, false) => println!("0"),
    }
    ExitCode::SUCCESS
}
