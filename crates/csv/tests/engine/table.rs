//! The tables of steps and functions are complete: whatever is not generated from them is checked
//! here.

use std::fs;
use std::path::{Path, PathBuf};

use manyhands_csv::recipe::steps;
use manyhands_csv::{Dialect, Plan, Prepared, Recipe, functions};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// The recipes of all golden folders.
fn golden() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    folders
        .map(|path| (path.clone(), fs::read_to_string(path.join("recipe.toml")).unwrap()))
        .collect()
}

fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort();
    values
}

#[test]
fn every_file_of_a_step_is_in_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/steps");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    // Not steps: the table, the trait, values of flags, and the step that no recipe names.
    let others = ["mod", "step", "flag", "store"];
    let names = sorted(names.filter(|name| !others.contains(&&**name)));
    assert_eq!(names, sorted(steps().iter().map(|step| step.name.to_owned())));
}

#[test]
fn every_step_has_help_documentation_and_sample_recipes() {
    for step in steps() {
        let about = &step.about;
        assert!(!about.flag.help.is_empty() && !about.uses.is_empty(), "{}", step.name);
        assert!(!about.samples.is_empty(), "{}", step.name);
        for sample in about.samples {
            let recipe = Recipe::from_toml(sample).unwrap();
            assert!(recipe.steps.iter().any(|found| found.name() == step.name), "{sample}");
        }
        for written in about.uses.iter().flat_map(|used| used.written) {
            let recipe = Recipe::from_toml(&format!("steps = [{written}]")).unwrap();
            assert_eq!(recipe.steps[0].name(), step.name);
        }
    }
}

#[test]
fn a_step_for_which_all_rows_are_read_once_more_is_known_without_a_header() {
    for sample in steps().iter().flat_map(|step| step.about.samples) {
        let recipe = Recipe::from_toml(sample).unwrap();
        let passes = |steps: usize| {
            let recipe = Recipe { steps: recipe.steps[..steps].to_vec(), ..recipe.clone() };
            let prepared = Prepared::new(recipe, 0).unwrap();
            Plan::new(&prepared, &Dialect::default(), b"a,b").unwrap().passes()
        };
        let first = (1..=recipe.steps.len()).find(|steps| passes(*steps) > 1);
        let known = Prepared::new(recipe.clone(), 0).unwrap().over_rows();
        assert_eq!(known.map(|(number, _)| number), first, "{sample}");
    }
}

#[test]
fn every_step_has_a_golden_folder_of_its_name() {
    for step in steps() {
        let is_its = |(path, recipe): &(PathBuf, String)| {
            let folder = path.file_name().unwrap().to_string_lossy();
            let recipe = Recipe::from_toml(recipe);
            folder.starts_with(step.name)
                && recipe.is_ok_and(|found| found.steps.iter().any(|one| one.name() == step.name))
        };
        assert!(golden().iter().any(is_its), "{}", step.name);
    }
}

#[test]
fn every_function_is_in_a_golden_folder() {
    let golden = golden();
    let recipes: Vec<String> = golden.iter().map(|(_, recipe)| recipe.to_lowercase()).collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for function in functions() {
        let name = function.name.to_lowercase();
        let has = |recipe: &String| recipe.split(|c| !is_word(c)).any(|word| word == name);
        assert!(recipes.iter().any(has), "{name}");
    }
}

#[test]
fn documentation_has_a_row_for_each_use_of_a_step_and_each_function() {
    let page = read("docs/recipe.md");
    let table = page.split("<!-- steps").nth(1).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, steps().iter().map(|step| step.about.uses.len()).sum::<usize>());
    for step in steps() {
        assert!(table.contains(&format!("--{}", step.name.replace('_', "-"))), "{}", step.name);
    }
    let page = read("docs/functions.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), functions().len());
    for (function, row) in functions().iter().zip(rows) {
        assert!(row.contains(function.summary.split('|').next().unwrap()), "{}", function.name);
    }
}
