//! Linker: what an image may be linked from.
//!
//! rustc calls the tool in place of the linker driver for every image. Link-time
//! optimization leaves little to link: the objects that rustc has made for this image,
//! which lie beside it, and two libraries that are compiled apart from everything else.
//! So arguments are compared with what rustc and the build are known to give; whatever
//! else comes in (a library or an object that a build script, an attribute or a
//! configuration names, a linker script, a file of arguments, start files of the host)
//! is refused. Then the host's driver is started, without the environment, by which it
//! would find more.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use super::cargo::{IMAGE_LINK_ARGUMENTS, TARGET};

/// The tool's name when it is the linker.
pub const NAME: &str = "redleaf-linker";

/// Environment variable that says where the compiler's own libraries lie.
pub const SYSROOT: &str = "REDLEAF_SYSROOT";

/// The host's linker driver.
const DRIVER: &str = "cc";

/// Variables that the driver gets.
const VARIABLES: [&str; 3] = ["LC_ALL", "PATH", "TMPDIR"];

/// Options that rustc gives, which name no file.
const OPTIONS: [&str; 14] = [
    "-Wl,--as-needed",
    "-Wl,--eh-frame-hdr",
    "-Wl,--gc-sections",
    "-Wl,--strip-debug",
    "-Wl,-Bdynamic",
    "-Wl,-Bstatic",
    "-Wl,-O1",
    "-Wl,-z,noexecstack",
    "-Wl,-z,relro,-z,now",
    "-fuse-ld=lld",
    "-m64",
    "-no-pie",
    "-nodefaultlibs",
    "-pie",
];

/// Options without which the driver adds files of the host.
const REQUIRED: [&str; 4] = [
    "-nodefaultlibs",
    "-nostartfiles",
    "-nostdlib",
    "-static-pie",
];

/// The one crate of the tree that is linked as a library: it takes no part in link-time
/// optimization, which would make calls of `memcpy` out of `memcpy`.
const LIBRARY: &str = "memory_functions";

/// The compiler's own crate, for the same reason.
const BUILTINS: &str = "compiler_builtins";

/// Whether rustc called the tool as the linker.
pub fn is_wanted() -> bool {
    env::args_os()
        .next()
        .is_some_and(|name| Path::new(&name).ends_with(NAME))
}

/// Checks the arguments and becomes the linker driver.
pub fn run() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let sysroot = PathBuf::from(env::var_os(SYSROOT).unwrap_or_default());
    let error = match check(&arguments, &sysroot) {
        Ok(()) => {
            let variables = VARIABLES
                .iter()
                .filter_map(|name| Some((name, env::var_os(name)?)));
            let mut command = Command::new(DRIVER);
            command.args(&arguments).env_clear().envs(variables);
            format!("cannot start {DRIVER}: {}", command.exec())
        }
        Err(reason) => reason,
    };
    eprintln!("redleaf: {error}");
    ExitCode::FAILURE
}

/// Looks at all arguments of one link.
fn check(arguments: &[OsString], sysroot: &Path) -> Result<(), String> {
    let text: Option<Vec<&str>> = arguments.iter().map(|each| each.to_str()).collect();
    let text = text.ok_or("an argument of the linker is no text")?;
    let output = text.windows(2).find(|pair| pair[0] == "-o");
    let output = Path::new(output.ok_or("the linker is not told what to make")?[1]);
    let link = Link::new(output, sysroot).ok_or("the linker is not told where to work")?;
    let refused = |reason: String| format!("the image {} is refused: {reason}", link.crate_name());
    let mut rest = text.iter();
    while let Some(argument) = rest.next() {
        let is_known = match *argument {
            "-o" => rest.next().is_some(),
            "-L" => rest
                .next()
                .is_some_and(|folder| link.is_known_folder(folder)),
            option if option.starts_with('-') => link.is_known_option(option),
            file => match link.check_file(Path::new(file)) {
                Ok(()) => true,
                Err(reason) => return Err(refused(format!("{file} {reason}"))),
            },
        };
        if !is_known {
            let found = format!("the linker is given {argument}, which no image needs");
            return Err(refused(found));
        }
    }
    match REQUIRED.iter().find(|option| !text.contains(option)) {
        None => Ok(()),
        Some(option) => Err(refused(format!("it is linked without {option}"))),
    }
}

/// What is linked, and where that lies.
struct Link<'a> {
    /// Folder of the executable, and of everything compiled for it.
    folder: &'a Path,
    /// Name of the executable: that of the crate and its hash.
    stem: &'a str,
    /// The compiler's libraries for images.
    libraries: PathBuf,
}

impl<'a> Link<'a> {
    fn new(output: &'a Path, sysroot: &Path) -> Option<Self> {
        let target = sysroot.join("lib/rustlib").join(TARGET);
        Some(Self {
            folder: output.parent().filter(|folder| folder.is_absolute())?,
            stem: output.file_name()?.to_str()?,
            libraries: target.join("lib"),
        })
    }

    fn crate_name(&self) -> &str {
        crate_of(self.stem)
    }

    fn is_known_option(&self, option: &str) -> bool {
        let programs = self.libraries.with_file_name("bin").join("gcc-ld");
        OPTIONS.contains(&option)
            || IMAGE_LINK_ARGUMENTS.contains(&option)
            || option.strip_prefix("-B").map(Path::new) == Some(&*programs)
    }

    /// Folders of libraries: the compiler's, and the one that it makes for those that
    /// are only named, of which there are none.
    fn is_known_folder(&self, folder: &str) -> bool {
        let folder = Path::new(folder);
        let made = folder.strip_prefix(self.folder).is_ok_and(|inside| {
            let mut inside = inside.iter().filter_map(|part| part.to_str());
            inside.next().is_some_and(|part| part.starts_with("rustc")) && inside.eq(["raw-dylibs"])
        });
        made || folder == self.libraries
    }

    /// Looks at a file that is to be linked.
    fn check_file(&self, file: &Path) -> Result<(), String> {
        let name = file.file_name().and_then(|name| name.to_str());
        let (Some(name), Some(folder)) = (name, file.parent()) else {
            return Err("is no file".to_owned());
        };
        if folder == self.folder && is_object_of(name, self.stem) {
            return Ok(());
        }
        let library = name
            .strip_prefix("lib")
            .and_then(|name| name.strip_suffix(".rlib"));
        match library {
            Some(library) if folder == self.libraries && crate_of(library) == BUILTINS => Ok(()),
            Some(library) if folder == self.folder && crate_of(library) == LIBRARY => {
                let bytes = fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
                check_members(&bytes, library)
            }
            _ => Err("is no object that the compiler made for it".to_owned()),
        }
    }
}

/// The crate in a name that ends with its hash.
fn crate_of(stem: &str) -> &str {
    stem.rsplit_once('-').map_or(stem, |(name, _)| name)
}

/// Whether this is what rustc calls an object of this crate.
fn is_object_of(name: &str, stem: &str) -> bool {
    name.strip_prefix(stem)
        .is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".rcgu.o"))
}

/// Looks at what is in a library: objects of its own crate, and its description.
fn check_members(bytes: &[u8], stem: &str) -> Result<(), String> {
    let members = members(bytes).ok_or("is no library that the compiler made")?;
    let foreign = members
        .iter()
        .find(|name| *name != "lib.rmeta" && !is_object_of(name, stem));
    match foreign {
        None => Ok(()),
        Some(name) => Err(format!("contains {name}, which the compiler did not make")),
    }
}

/// Names in an archive as GNU's `ar` writes it: each member begins with 60 bytes of
/// text, name and size among them; the member `//` holds long names.
fn members(bytes: &[u8]) -> Option<Vec<String>> {
    let mut rest = bytes.strip_prefix(b"!<arch>\n")?;
    let mut long_names = "";
    let mut found = Vec::new();
    while !rest.is_empty() {
        let header = std::str::from_utf8(rest.get(..60)?).ok()?;
        let size: usize = header.get(48..58)?.trim_end().parse().ok()?;
        let end = 60_usize.checked_add(size)?;
        let body = rest.get(60..end)?;
        match header.get(..16)?.trim_end() {
            "/" | "/SYM64/" => {}
            "//" => long_names = std::str::from_utf8(body).ok()?,
            name => {
                let long = name
                    .strip_prefix('/')
                    .and_then(|at| at.parse::<usize>().ok());
                let name = match long {
                    Some(at) => long_names.get(at..)?.split('\n').next()?,
                    None => name,
                };
                found.push(name.trim_end_matches('/').to_owned());
            }
        }
        // Members begin at even offsets.
        rest = rest.get(end + size % 2..).unwrap_or_default();
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What rustc gives the linker for an image, in short.
    const GOOD: &str = "-m64 /t/deps/a_b-12.a_b.0-cgu.0.rcgu.o /t/deps/a_b-12.core-3.core.rcgu.o \
        -Wl,--as-needed -Wl,-Bstatic /s/lib/rustlib/@/lib/libcompiler_builtins-7.rlib \
        -L /t/deps/rustcAbC/raw-dylibs -B/s/lib/rustlib/@/bin/gcc-ld -fuse-ld=lld \
        -L /s/lib/rustlib/@/lib -o /t/deps/a_b-12 -pie -nodefaultlibs -nostdlib -nostartfiles \
        -static-pie";

    fn verdict(arguments: &str) -> String {
        let arguments = arguments.replace('@', TARGET);
        let arguments: Vec<OsString> = arguments.split_whitespace().map(OsString::from).collect();
        check(&arguments, Path::new("/s")).map_or_else(|reason| reason, |()| String::new())
    }

    #[test]
    fn what_rustc_and_the_build_give_is_linked() {
        assert_eq!(verdict(GOOD), "");
    }

    #[test]
    fn files_from_elsewhere_are_refused() {
        for file in [
            "/tmp/evil.o",
            "evil.o",
            "evil.ld",
            "@/tmp/arguments",
            "/t/deps/evil.o",
            "/t/deps/a_b-12.o",
            "/t/deps/a_b-13.a_b.0-cgu.0.rcgu.o",
            "/t/deps/a_b-123.rcgu.o",
            "/t/deps/../deps/a_b-12.x.rcgu.o",
            "/t/deps/a_b-12.x/evil.rcgu.o",
            "/t/deps/libevil-1.rlib",
            "/t/deps/libmemory_functions-1.a",
            "/t/deps/libcompiler_builtins-7.rlib",
            "/t/deps/rustcAbC/libmemory_functions-1.rlib",
            "/s/lib/rustlib/@/lib/libstd-1.rlib",
            "/s/lib/crt1.o",
        ] {
            let reason = verdict(&format!("{GOOD} {file}"));
            let expected = "is no object that the compiler made for it";
            assert!(
                reason.starts_with("the image a_b is refused: "),
                "{file}: {reason}"
            );
            assert!(reason.ends_with(expected), "{file}: {reason}");
        }
    }

    #[test]
    fn options_that_bring_more_in_are_refused() {
        for option in [
            "-lc",
            "-l:evil.o",
            "-L/tmp",
            "-B/tmp",
            "-T/tmp/evil.ld",
            "-Wl,-T,evil.ld",
            "-Wl,/tmp/evil.o",
            "-Wl,--just-symbols=evil",
            "-Wl,--defsym=a=1",
            "-Wl,-plugin,/tmp/evil.so",
            "-Xlinker",
            "-specs=/tmp/evil",
            "-wrapper",
            "-fuse-ld=/tmp/evil",
            "-u",
            "-x",
            "-include",
        ] {
            let reason = verdict(&format!("{GOOD} {option}"));
            let expected = format!("the linker is given {option}, which no image needs");
            assert!(reason.ends_with(&expected), "{option}: {reason}");
        }
        for folder in [
            "/tmp",
            "/t/deps",
            "/t/deps/rustcA/evil",
            "/t/deps/rustcA/raw-dylibs/x",
        ] {
            let reason = verdict(&format!("{GOOD} -L {folder}"));
            assert!(
                reason.contains("the linker is given -L"),
                "{folder}: {reason}"
            );
        }
    }

    #[test]
    fn nothing_that_keeps_the_hosts_files_out_may_be_missing() {
        for option in REQUIRED {
            let reason = verdict(&GOOD.replace(option, ""));
            assert!(
                reason.ends_with(&format!("linked without {option}")),
                "{reason}"
            );
        }
        assert!(verdict(&GOOD.replace("-o /t/deps/a_b-12", "")).contains("not told"));
        assert!(verdict(&GOOD.replace("/t/deps/", "")).contains("not told where"));
    }

    fn archive(members: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = b"!<arch>\n".to_vec();
        for (name, body) in members {
            let numbers = format!(
                "{:<16}{:<12}{:<12}{:<8}{:<10}`\n",
                name,
                0,
                0,
                644,
                body.len()
            );
            bytes.extend_from_slice(numbers.as_bytes());
            bytes.extend_from_slice(body.as_bytes());
            if body.len() % 2 == 1 {
                bytes.push(b'\n');
            }
        }
        bytes
    }

    #[test]
    fn a_library_has_objects_of_its_crate_alone() {
        let names = ("//", "m-12.m.5-cgu.0.rcgu.o/\n");
        let good = [("/", "abc"), names, ("/0", "x"), ("lib.rmeta/", "yz")];
        let verdict = |members: &[_]| check_members(&archive(members), "m-12");
        assert_eq!(verdict(&good), Ok(()));
        for foreign in ["evil.o/", "m-13.rcgu.o/", "/999"] {
            let mut members = good.to_vec();
            members.push((foreign, "x"));
            assert!(verdict(&members).is_err(), "{foreign}");
        }
        assert!(check_members(b"\x7fELF", "m-12").is_err());
        let mut short = archive(&good);
        short.truncate(short.len() - 1);
        assert!(check_members(&short, "m-12").is_err());
    }
}
