//! Folders that a non-programmer can read: a command, the files it is run among, and what is right.
//!
//! ```text
//!   tests/cases/NAME/
//!     command     what is run, in a shell; its comment says what is right, and why
//!     before/     the files that are there
//!     after/      the files that are new, with exactly these bytes
//!     says        what standard error must contain, one text a line
//!     printed     what comes on standard output
//!     status      the exit status, if it is not 0
//! ```
//! Most are from public bug reports of other programs. `UPDATE_GOLDEN=1 cargo test -p manyhands-cli cases` writes
//! `after/` as it comes out now; look at the difference before you commit it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::kit::Dir;

/// All files below a directory, by their names in it. Those without a directory are none.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if !path.ends_with(".manyhands.jsonl") {
                let name = path.strip_prefix(root).unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn readable(files: &BTreeMap<PathBuf, Vec<u8>>) -> String {
    let show = |(name, bytes): (&PathBuf, &Vec<u8>)| {
        format!(
            "-- {}\n{}\n",
            name.display(),
            bytes.escape_ascii().to_string().replace("\\n", "\n")
        )
    };
    files.iter().map(show).collect()
}

fn update(after: &Path, made: &BTreeMap<PathBuf, Vec<u8>>) {
    let _ = fs::remove_dir_all(after);
    for (name, bytes) in made {
        let path = after.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Runs the command of a folder; gives what is not as the folder has it.
fn check(folder: &Path) -> Result<(), String> {
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let before = files(&folder.join("before"));
    let dir = before
        .iter()
        .fold(Dir::new(), |dir, (name, bytes)| dir.file(name.to_str().unwrap(), bytes));
    let outcome = dir.shell(&text("command")).run();

    let status = text("status").trim().parse().unwrap_or(0);
    if outcome.status != status {
        return Err(format!("ended with {}, not {status}: {outcome:?}", outcome.status));
    }
    if outcome.stdout != text("printed") {
        return Err(format!("printed {:?}", outcome.stdout));
    }
    if let Some(missing) = text("says").lines().find(|line| !outcome.stderr.contains(line)) {
        return Err(format!("did not say {missing:?}, but:\n{}", outcome.stderr));
    }
    let mut made = files(&dir.path(""));
    for (name, bytes) in &before {
        if made.remove(name).as_ref() != Some(bytes) {
            return Err(format!("changed its input {}", name.display()));
        }
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        update(&folder.join("after"), &made);
        return Ok(());
    }
    let expected = files(&folder.join("after"));
    if made != expected {
        let (made, expected) = (readable(&made), readable(&expected));
        return Err(format!("made\n{made}and right is\n{expected}It said:\n{}", outcome.stderr));
    }
    Ok(())
}

#[test]
fn every_case_comes_out_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let wrong = folders.iter().filter_map(|folder| {
        let name = folder.file_name().unwrap().display();
        check(folder).err().map(|why| format!("{name} {why}\n"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), folders.len(), wrong.join("\n"));
}
