//! `cd` and `pwd`.

use posix::prelude::*;
use posix::{env, fs};

use super::Answer;
use crate::shell::Shell;

/// What the options of `cd` and `pwd` say.
struct Ways<'a> {
    /// `-P`: without symbolic links.
    is_physical: bool,
    operands: &'a [String],
}

impl Shell {
    /// Takes the working directory from `PWD`, if that is a name of it.
    pub fn find_directory(&mut self) {
        let inode = |path: &str| {
            fs::metadata(path)
                .ok()
                .map(|found| found.attributes().inode)
        };
        let is_right = |path: &&str| {
            let is_plain = !path.split('/').any(|name| name == "." || name == "..");
            path.starts_with('/') && is_plain && inode(path).is_some() && inode(path) == inode(".")
        };
        self.directory = match self.value("PWD").filter(is_right) {
            Some(path) => path.into(),
            None => env::current_dir().unwrap_or_default(),
        };
        let directory = self.directory.clone();
        self.assign_own("PWD", &directory);
    }

    pub(super) fn change_directory(&mut self, arguments: &[String]) -> Answer {
        let ways = ways(arguments)?;
        let home = self.value("HOME").map(String::from);
        let (target, mut is_shown) = match ways.operands {
            [] => (home.ok_or("HOME is not set")?, false),
            [minus] if minus == "-" => {
                let before = self.value("OLDPWD").ok_or("OLDPWD is not set")?;
                (before.into(), true)
            }
            [target] => (target.clone(), false),
            _ => return Err("expected one directory".into()),
        };
        let mut path = target.clone();
        if let Some(found) = self.search_directory(&target) {
            is_shown |= found != target && !found.starts_with("./");
            path = found;
        }
        self.enter(&path, ways.is_physical)
            .map_err(|error| format!("{target}: {error}"))?;
        if is_shown {
            println!("{}", self.directory);
        }
        Ok(0)
    }

    /// Where `CDPATH` has a directory with this name.
    fn search_directory(&self, target: &str) -> Option<String> {
        let is_searched =
            !target.starts_with('/') && !matches!(target.split('/').next(), Some("." | ".."));
        let mut directories = self.value("CDPATH").filter(|_| is_searched)?.split(':');
        directories.find_map(|directory| {
            let path = match directory {
                "" => format!("./{target}"),
                directory => format!("{}/{target}", directory.trim_end_matches('/')),
            };
            fs::metadata(&path)
                .is_ok_and(|found| found.is_dir())
                .then_some(path)
        })
    }

    fn enter(&mut self, path: &str, is_physical: bool) -> posix::io::Result<()> {
        let logical = logical_path(&self.directory, path);
        env::set_current_dir(if is_physical { path } else { &logical })?;
        let before = core::mem::replace(&mut self.directory, logical);
        if is_physical {
            self.directory = env::current_dir()?;
        }
        let now = self.directory.clone();
        self.assign_own("OLDPWD", &before);
        self.assign_own("PWD", &now);
        Ok(())
    }

    pub(super) fn print_directory(&self, arguments: &[String]) -> Answer {
        if ways(arguments)?.is_physical {
            println!("{}", env::current_dir().map_err(|error| error.to_string())?);
        } else {
            println!("{}", self.directory);
        }
        Ok(0)
    }
}

fn ways(arguments: &[String]) -> Result<Ways<'_>, String> {
    let mut ways = Ways {
        is_physical: false,
        operands: arguments,
    };
    while let [first, rest @ ..] = ways.operands {
        let letters = first
            .strip_prefix('-')
            .filter(|letters| !letters.is_empty());
        let Some(letters) = letters else { break };
        ways.operands = rest;
        if letters == "-" {
            break;
        }
        for letter in letters.chars() {
            match letter {
                'L' => ways.is_physical = false,
                'P' => ways.is_physical = true,
                _ => return Err(format!("-{letter}: not an option")),
            }
        }
    }
    Ok(ways)
}

/// A path from the root without `.` and `..`, the latter as the name before it says.
fn logical_path(directory: &str, path: &str) -> String {
    let start = if path.starts_with('/') { "" } else { directory };
    let mut names: Vec<&str> = Vec::new();
    for name in start.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}
