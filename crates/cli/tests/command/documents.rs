use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::kit::Dir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The ```sh blocks of a page, continued lines joined. A block below a comment is not run: `<!-- not run: … -->`.
fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let parts: Vec<&str> = text.split("```sh\n").collect();
    let run = parts.windows(2).filter(|pair| !pair[0].ends_with("-->\n"));
    let blocks = run.map(|pair| pair[1].split("```").next().unwrap());
    blocks.map(|block| block.replace("\\\n", " ")).collect()
}

fn with_examples() -> Dir {
    let dir = Dir::new();
    symlink(root().join("examples"), dir.path("examples")).unwrap();
    dir
}

#[test]
fn the_first_command_of_readme_cleans_the_example_data() {
    let blocks = blocks("README.md");
    let command =
        blocks.iter().flat_map(|block| block.lines()).find(|line| line.starts_with("manyhands "));
    let dir = with_examples();
    dir.shell(command.unwrap()).run().status(0);
    let inputs = fs::read_dir(root().join("examples/data")).unwrap();
    let inputs = inputs.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name.ends_with(".csv") || name.ends_with(".tsv")
    });
    let cleaned = fs::read_dir(dir.path("cleaned")).unwrap();
    let cleaned = cleaned.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        !name.ends_with(".rejects.csv") && !name.starts_with('.')
    });
    assert_eq!(cleaned.count(), inputs.count());
    let january = dir.read("cleaned/cleaned_orders-2025-01.csv");
    assert!(january.lines().next().unwrap().ends_with(",normalized_value"), "{january}");
}

#[test]
fn the_programs_of_the_guide_run() {
    for block in blocks("docs/clean.md") {
        let dir = with_examples()
            .file("data/a.csv", "Value , x\n1,2\n,\n600,1\n")
            .file("data/b.csv", "x\n2\n")
            .file("large.csv", "id,value\n1,n/a\n2,3\n");
        dir.shell(&format!("set -e\n{block}")).run().status(0);
    }
}
