//! Names, and that a failure changes nothing.

use super::*;

#[test]
fn names_are_what_crates_and_domains_can_have() {
    for good in [
        "a",
        "nvme",
        "shadow-block",
        "e1000",
        "a-23456789-123456789-12",
    ] {
        assert!(Name::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "A", "1a", "-a", "a-", "a--b", "a_b", "a b", "ä", "../a"] {
        assert_eq!(Name::parse(bad).err(), Some(NewError::Name(bad.into())));
    }
    assert!(Name::parse("a-23456789-123456789-123").is_err());
    assert_eq!(
        Name::parse("match").err(),
        Some(NewError::Keyword("match".into()))
    );
}

#[test]
fn a_name_is_filled_in_in_three_ways() {
    let name = Name::parse("my-new-disk").expect("a name");
    let text = name.fill("@name@ @ident@ @Type@");
    assert_eq!(text, "my-new-disk my_new_disk MyNewDisk");
}

#[test]
fn lines_are_added_once_or_not_at_all() {
    let added = add_after("a\nb\nb\n", "f", "b", "c");
    assert_eq!(added, Ok("a\nb\nc\nb\n".to_owned()));
    let nowhere = add_after("a\n", "f", "b", "c");
    assert_eq!(
        nowhere,
        Err(NewError::NoPlace {
            file: "f",
            line: "b"
        })
    );
}

#[test]
fn a_failure_leaves_files_as_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = folder.path().join("old");
    fs::write(&old, "before").expect("written");
    let files = [
        (old.clone(), "after".to_owned()),
        (folder.path().join("new/file"), "after".to_owned()),
        // A file where a folder would have to be.
        (old.join("impossible"), "after".to_owned()),
    ];
    assert!(write_all(&files).is_err());
    assert_eq!(fs::read_to_string(&old).expect("there"), "before");
    assert!(!folder.path().join("new/file").exists());
}
