//! Paths as text: their parts, and how they are joined.

use alloc::string::String;

/// The last component, without slashes behind it; `/` for the root.
#[must_use]
pub fn file_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return if path.is_empty() { "" } else { "/" };
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

/// Everything before the last component; `.` if there is nothing.
#[must_use]
pub fn parent(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rfind('/') {
        Some(slash) => match trimmed[..slash].trim_end_matches('/') {
            "" => "/",
            before => before,
        },
        None if trimmed.is_empty() && !path.is_empty() => "/",
        None => ".",
    }
}

/// The path of `name` in `directory`; `name` itself if it is absolute.
#[must_use]
pub fn join(directory: &str, name: &str) -> String {
    let mut joined = String::from(if name.starts_with('/') { "" } else { directory });
    if !joined.is_empty() && !joined.ends_with('/') {
        joined.push('/');
    }
    joined.push_str(name);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let cases = [
            ("/a/b", "b", "/a"),
            ("a/b//", "b", "a"),
            ("/a", "a", "/"),
            ("a", "a", "."),
            ("/", "/", "/"),
            ("//", "/", "/"),
            ("a//b", "b", "a"),
            ("", "", "."),
        ];
        for (path, name, directory) in cases {
            assert_eq!((file_name(path), parent(path)), (name, directory), "{path}");
        }
    }

    #[test]
    fn joining() {
        assert_eq!(join("/", "a"), "/a");
        assert_eq!(join("a", "b"), "a/b");
        assert_eq!(join("a", "/b"), "/b");
        assert_eq!(join("", "b"), "b");
    }
}
