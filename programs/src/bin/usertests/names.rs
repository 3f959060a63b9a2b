//! Tests of directories, links and paths.

use posix::prelude::*;
use posix::{env, fs};

use crate::failure::Outcome;
use crate::{Test, check, fails, same};

pub const TESTS: &[Test] = &[
    Test {
        name: "directory-make",
        run: make,
    },
    Test {
        name: "directory-list",
        run: list,
    },
    Test {
        name: "directory-current",
        run: current,
    },
    Test {
        name: "name-lengths",
        run: lengths,
    },
    Test {
        name: "link-hard",
        run: hard_links,
    },
    Test {
        name: "link-symbolic",
        run: symbolic_links,
    },
    Test {
        name: "link-loops",
        run: loops,
    },
    Test {
        name: "rename",
        run: rename,
    },
    Test {
        name: "rename-directories",
        run: rename_directories,
    },
    Test {
        name: "unlink-errors",
        run: unlink_errors,
    },
];

fn make() -> Outcome {
    fs::create_dir("one")?;
    fails!(fs::create_dir("one"), EEXIST);
    fails!(fs::create_dir("none/two"), ENOENT);
    fs::create_dir("one/two")?;
    same!(fs::metadata("one")?.attributes().links, 3);
    fails!(fs::remove_dir("one"), ENOTEMPTY);
    fails!(fs::remove_dir("one/."), EINVAL);
    fs::remove_dir("one/two/")?;
    same!(fs::metadata("one")?.attributes().links, 2);
    fs::remove_dir("one")?;
    fails!(fs::remove_dir("one"), ENOENT);
    fs::create_dir_all("a/b/c/d")?;
    check!(fs::metadata("a/b/c/d")?.is_dir());
    fails!(fs::create_dir("/"), EEXIST);
    Ok(())
}

fn list() -> Outcome {
    let expected: Vec<String> = (0..300).map(|number| format!("file-{number:03}")).collect();
    for name in &expected {
        fs::write(name, "")?;
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(".")? {
        found.push(String::from(entry?.file_name()));
    }
    found.sort();
    check!(found == expected);
    for name in expected.iter().step_by(2) {
        fs::remove_file(name)?;
    }
    same!(fs::read_dir(".")?.count(), 150);
    Ok(())
}

fn current() -> Outcome {
    let start = env::current_dir()?;
    fs::create_dir_all("a/b")?;
    fs::symlink("a/b", "link")?;
    env::set_current_dir("link")?;
    same!(env::current_dir()?, format!("{start}/a/b"));
    fs::write("here", "x")?;
    env::set_current_dir("..")?;
    same!(env::current_dir()?, format!("{start}/a"));
    check!(fs::exists("b/here"));
    env::set_current_dir(&start)?;
    fails!(env::set_current_dir("a/b/here"), ENOTDIR);
    fails!(env::set_current_dir("none"), ENOENT);
    env::set_current_dir("/")?;
    env::set_current_dir("..")?;
    same!(env::current_dir()?, "/");
    env::set_current_dir(&start)?;
    Ok(())
}

fn lengths() -> Outcome {
    let longest = "n".repeat(255);
    fs::write(&longest, "x")?;
    same!(fs::read(&longest)?, b"x");
    fails!(fs::write(&"n".repeat(256), "x"), ENAMETOOLONG);
    fails!(fs::metadata(&"./".repeat(600)), ENAMETOOLONG);
    check!(fs::metadata(&"./".repeat(500)).is_ok());
    Ok(())
}

fn hard_links() -> Outcome {
    fs::write("one", "contents")?;
    fs::hard_link("one", "two")?;
    let (one, two) = (fs::metadata("one")?, fs::metadata("two")?);
    same!(one.attributes().inode, two.attributes().inode);
    same!(two.attributes().links, 2);
    fails!(fs::hard_link("one", "two"), EEXIST);
    fails!(fs::hard_link(".", "three"), EPERM);
    fails!(fs::hard_link("none", "three"), ENOENT);
    fs::remove_file("one")?;
    same!(fs::read("two")?, b"contents");
    same!(fs::metadata("two")?.attributes().links, 1);
    Ok(())
}

fn symbolic_links() -> Outcome {
    fs::create_dir("directory")?;
    fs::write("directory/file", "x")?;
    fs::symlink("directory", "link")?;
    let long = format!("directory/{}file", "../directory/".repeat(12));
    fs::symlink(&long, "long")?;
    same!(fs::read_link("link")?, "directory");
    same!(fs::read_link("long")?, long);
    same!(fs::read("link/file")?, b"x");
    same!(fs::read("long")?, b"x");
    check!(fs::symlink_metadata("link")?.is_symlink());
    check!(fs::metadata("link")?.is_dir());
    fails!(fs::read_link("directory"), EINVAL);
    fails!(fs::symlink("x", "link"), EEXIST);
    fails!(fs::symlink("", "empty"), ENOENT);
    fs::symlink("made", "to-make")?;
    fs::write("to-make", "y")?;
    same!(fs::read("made")?, b"y");
    fs::remove_file("link")?;
    check!(fs::exists("directory/file"));
    Ok(())
}

fn loops() -> Outcome {
    fs::symlink("two", "one")?;
    fs::symlink("one", "two")?;
    fails!(fs::metadata("one"), ELOOP);
    fails!(fs::write("one", "x"), ELOOP);
    fs::write("end", "x")?;
    let mut target = String::from("end");
    for number in 0..40 {
        let name = format!("chain-{number}");
        fs::symlink(&target, &name)?;
        target = name;
    }
    check!(fs::metadata("chain-38").is_ok());
    fs::symlink(&target, "chain-40")?;
    fails!(fs::metadata("chain-40"), ELOOP);
    Ok(())
}

fn rename() -> Outcome {
    fs::write("one", "1")?;
    fs::write("two", "2")?;
    fs::rename("one", "three")?;
    fails!(fs::metadata("one"), ENOENT);
    fs::rename("three", "two")?;
    same!(fs::read("two")?, b"1");
    same!(fs::read_dir(".")?.count(), 1);
    fs::rename("two", "two")?;
    same!(fs::read("two")?, b"1");
    fails!(fs::rename("none", "x"), ENOENT);
    fs::create_dir("directory")?;
    fails!(fs::rename("two", "directory"), EISDIR);
    fails!(fs::rename("directory", "two"), ENOTDIR);
    fs::rename("two", "directory/two")?;
    same!(fs::read("directory/two")?, b"1");
    Ok(())
}

fn rename_directories() -> Outcome {
    fs::create_dir_all("a/b")?;
    fs::create_dir("c")?;
    fs::write("a/b/file", "x")?;
    fails!(fs::rename("a", "a/b/d"), EINVAL);
    fs::rename("a/b", "c/b")?;
    same!(fs::read("c/b/../b/file")?, b"x");
    same!(fs::metadata("a")?.attributes().links, 2);
    same!(fs::metadata("c")?.attributes().links, 3);
    fails!(fs::rename("a", "c"), ENOTEMPTY);
    fs::rename("c", "a")?;
    check!(fs::exists("a/b/file") && !fs::exists("c"));
    Ok(())
}

fn unlink_errors() -> Outcome {
    fs::create_dir("directory")?;
    fails!(fs::remove_file("directory"), EISDIR);
    fails!(fs::remove_file("none"), ENOENT);
    fs::write("file", "x")?;
    fails!(fs::remove_file("file/"), ENOTDIR);
    fails!(fs::remove_dir("file"), ENOTDIR);
    fails!(fs::remove_file("/dev/null"), EROFS);
    Ok(())
}
