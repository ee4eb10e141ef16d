//! Programs that must not compile, and the compiler's messages. They are only checked, as by `cargo
//! check`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

/// The library as it was built for this test, and the folder with its dependencies.
fn library() -> (PathBuf, PathBuf) {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let built = |path: &PathBuf| {
        fs::metadata(path).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let newest = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libmanyhands-") && name.ends_with(".rlib")
        })
        .max_by_key(built);
    (newest.expect("the library was built"), folder)
}

/// The compiler's message for a program with these lines in its `main`; `None` if it compiles.
fn compiler_message(lines: &str) -> Option<String> {
    let (library, folder) = library();
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("program.rs");
    fs::write(
        &source,
        format!(
            "#[derive(Clone, Copy)]\nstruct Witness;\n\
             fn main() -> manyhands::Result<()> {{\nlet pool = manyhands::Pool::new()?;\n{lines}\nOk(())\n}}\n"
        ),
    )
    .unwrap();
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        // The compiler shows the library's own lines relative to the directory in which it was
        // built.
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(["--edition", "2024", "--crate-type", "bin", "--emit", "metadata", "--out-dir"])
        .arg(place.path())
        .arg("--extern")
        .arg(format!("manyhands={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", folder.display()))
        .arg(&source)
        .output()
        .unwrap();
    (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_function_and_a_closure_that_captures_nothing_compile() {
    let lines = "pool.map(u64::count_ones, 0..3_u64)?;\npool.map(|x: u64| x + 1, 0..3)?;\n\
                 pool.map_with(&3_u64, |factor, x: u64| factor * x, 0..3)?;\nlet _ = Witness;";
    assert_eq!(compiler_message(lines), None);
}

#[test]
fn a_captured_value_is_an_error_that_names_the_method_with_a_context() {
    for (call, way_out) in [
        ("pool.map(move |x: u64| factor * x, 0..3)?;", "`map_with`"),
        ("pool.imap(move |x: u64| factor * x, 0..3)?;", "`imap_with`"),
        ("pool.imap_unordered(move |x: u64| factor * x, 0..3)?;", "`imap_unordered_with`"),
        ("pool.submit(move |x: u64| factor * x, 3)?;", "`submit_with`"),
        ("pool.call().map(move |x: u64| factor * x, 0..3)?;", "`map_with`"),
        ("pool.map_with(&3_u64, move |a: &u64, x: u64| factor * a * x, 0..3)?;", "`context`"),
        (
            "manyhands::Pool::builder().initializer(move |x: u64| println!(\"{}\", x * factor), 1_u64);",
            "`argument`",
        ),
        ("manyhands::Process::spawn(move |x: u64| factor * x, 3_u64)?;", "`argument`"),
    ] {
        let said = compiler_message(&format!("let factor = 3_u64;\n{call}")).expect(call);
        assert!(said.contains("program.rs:6:"), "{said}");
        assert!(said.contains(way_out), "{call}\n{said}");
        assert!(said.contains("if they do not capture any variables"), "{said}");
    }
}

/// A value without bytes may be a witness of something that happened in this process and not in a
/// worker.
#[test]
fn a_captured_value_without_bytes_is_an_error_too() {
    let said = compiler_message(
        "let seen = Witness;\npool.map(move |x: u64| { let _: Witness = seen; x }, 0..3)?;",
    );
    assert!(said.expect("it must not compile").contains("program.rs:6:"));
}
