//! Tests of the interpretation of command lines, without running them.

use std::fs;

use clap::Parser;
use manyhands::clean::recipe::{Character, MissingColumn, OnBad, OnRagged, Quote, Step};
use manyhands::clean::{DEFAULT_NAME, Delimiter, MaxRejects};
use tempfile::TempDir;

use super::*;
use crate::args::{Arguments, Command};
use crate::hints::told;

fn read(arguments: &[&str]) -> CleanArguments {
    let arguments = ["manyhands", "clean"].iter().chain(arguments);
    match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command: Command::Clean(typed) }) => *typed,
        Ok(_) => unreachable!(),
        Err(error) => panic!("{error}"),
    }
}

fn output_of(arguments: &[&str]) -> Result<Output, String> {
    output(&read(arguments)).map_err(|error| error.to_string())
}

/// A directory with `a.csv`, `[b].csv` and a directory `dir`.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a.csv"), "x\n1\n").unwrap();
    fs::write(place.path().join("[b].csv"), "x\n1\n").unwrap();
    fs::create_dir(place.path().join("dir")).unwrap();
    place
}

/// Arguments in which `@` stands for the directory.
fn at(place: &TempDir, arguments: &[&str]) -> Vec<String> {
    let place = place.path().display().to_string();
    arguments.iter().map(|argument| argument.replace('@', &place)).collect()
}

#[test]
fn the_output_follows_from_its_name_and_the_inputs() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    let directory = |name: &str| Output::Directory(path(name), DEFAULT_NAME.to_owned());
    for (arguments, expected) in [
        (&["a", "-o", "@/out.csv"][..], Output::File(path("out.csv"))),
        (&["-", "-o", "@/out.csv"], Output::File(path("out.csv"))),
        (&["missing", "-o", "-"], Output::Stdout),
        (&["a", "-o", "@/dir"], directory("dir")),
        (&["a", "-o", "@/new/"], directory("new/")),
        (&["a", "b", "-o", "@/new"], directory("new")),
        (&["@/dir", "-o", "@/new"], directory("new")),
        (&["@/*.csv", "-o", "@/new"], directory("new")),
        (&["@/a?.csv", "-o", "@/new"], directory("new")),
        (&["@/[b].csv", "-o", "@/out.csv"], Output::File(path("out.csv"))),
        (&["a", "-o", "@/a.csv"], Output::File(path("a.csv"))),
        (&["a", "b", "-o", "@/out.csv", "--concat"], Output::ConcatenatedFile(path("out.csv"))),
        (&["a", "b", "-o", "-", "--concat"], Output::ConcatenatedStdout),
        (&["a", "-o", "-", "--concat"], Output::ConcatenatedStdout),
        (
            &["a", "-o", "@/dir", "--name", "{stem}.x"],
            Output::Directory(path("dir"), "{stem}.x".into()),
        ),
        (&["a", "--dry-run"], Output::Stdout),
        (&["a", "b", "--dry-run"], Output::ConcatenatedStdout),
    ] {
        let arguments = at(&place, arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(output_of(&arguments), Ok(expected), "{arguments:?}");
    }
}

#[test]
fn an_output_that_cannot_be_is_refused_with_a_hint() {
    let place = place();
    for (arguments, reason) in [
        (&["a"][..], "hint: -o DIR/"),
        (&["a", "-o", ""], "empty"),
        (&["a", "b", "-o", "-"], "hint: concat"),
        (&["@/dir", "-o", "-"], "hint: concat"),
        (&["@/*.csv", "-o", "-"], "hint: concat"),
        (&["a", "b", "-o", "@/a.csv"], "hint: output = DIR/"),
        (&["a", "b", "-o", "@/new.csv"], "new.csv is the name of a file, and several inputs"),
        (&["a", "b", "-o", "@/dir", "--concat"], "hint: name the file"),
        (&["a", "b", "-o", "@/new/", "--concat"], "hint: name the file"),
        (&["a", "-o", "@/out.csv", "--name", "x"], "a template names outputs in a directory"),
        (&["a", "-o", "@/a.csv", "--name", "x"], "a template names outputs in a directory"),
        (&["a", "-o", "-", "--name", "x"], "a template names outputs in a directory"),
    ] {
        let arguments = at(&place, arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let error = output_of(&arguments).unwrap_err();
        assert!(error.contains(reason), "{arguments:?}: {error}");
    }
}

fn understood(arguments: &[String]) -> Result<Job, String> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    resolve(read(&arguments)).map_err(|error| told(&error.problem()))
}

#[test]
fn a_recipe_files_steps_come_first_and_what_was_typed_wins() {
    let place = place();
    let file = r#"
        on_bad = "null"
        on_ragged = "pad"
        steps = ["drop_empty_rows", { filter = "a < :limit" }]
        [parameters]
        limit = "1"
        other = "2"
    "#;
    fs::write(place.path().join("recipe.toml"), file).unwrap();
    let typed = [
        "--trim=all",
        "a",
        "--recipe=@/recipe.toml",
        "-o-",
        "--select=a",
        "--param=limit=5",
        "--on-bad=fail",
    ];
    let recipe = understood(&at(&place, &typed)).unwrap().recipe;
    let names: Vec<&str> = recipe.steps.iter().map(Step::name).collect();
    assert_eq!(names, ["drop_empty_rows", "filter", "trim", "select"]);
    assert_eq!(recipe.on_bad, OnBad::Fail);
    assert_eq!(recipe.on_ragged, OnRagged::Pad);
    assert_eq!(recipe.missing_column, MissingColumn::Error);
    assert_eq!(recipe.parameters["limit"], "5");
    assert_eq!(recipe.parameters["other"], "2");
}

#[test]
fn a_recipe_that_cannot_be_read_is_wrong_use() {
    let place = place();
    fs::write(place.path().join("recipe.toml"), "steps = [\"tirm\"]").unwrap();
    let error = understood(&at(&place, &["a", "-o-", "--recipe=@/recipe.toml"])).err().unwrap();
    assert!(error.contains("recipe.toml: ") && error.contains("tirm"), "{error}");
    let error = understood(&at(&place, &["a", "-o-", "--recipe=@/none.toml"])).err().unwrap();
    assert!(error.contains("none.toml: No such file"), "{error}");
}

#[test]
fn flags_of_reading_and_running_set_their_options() {
    let typed = read(&[
        "a",
        "--delimiter=;",
        "--quote=none",
        "--comment=#",
        "--no-header",
        "--header-lines=2",
        "--names=a,b",
        "--skip-lines=3",
        "--skip-until=^a",
        "--footer=2",
        "--encoding=latin1",
        "--max-record=1K",
    ]);
    let options = reading(typed.input);
    assert_eq!(options.delimiter, Some(Delimiter::Is(b';'.into())));
    assert_eq!(options.quote, Some(Quote(None)));
    assert_eq!(options.comment, Some(Character(b'#')));
    assert_eq!(options.header, Some(false));
    assert_eq!(options.header_lines, Some(2));
    assert_eq!(options.names, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(options.skip_lines, Some(3));
    assert_eq!(options.skip_until, "^a".parse().ok());
    assert_eq!(options.footer, "2".parse().ok());
    assert_eq!(options.encoding.as_deref(), Some("latin1"));
    assert_eq!(options.max_record, Some(1024));
    assert_eq!(reading(read(&["a"]).input), Read::default());
    let typed =
        read(&["a", "--max-rejects=5%", "--workers=3", "--memory=2M", "--out-delimiter=tab"]);
    assert_eq!(typed.max_rejects, Some(MaxRejects::Percent(5.0)));
    assert_eq!((typed.run.workers, typed.run.memory), (Some(3), Some(2 << 20)));
    assert_eq!(typed.out_delimiter, Some(b'\t'.into()));
}

#[test]
fn reports_and_recipes_never_get_in_the_way_of_data() {
    let place = place();
    fs::write(place.path().join("r.json"), "{}").unwrap();
    for (arguments, reason) in [
        (&["a", "-o-", "--report=-"][..], "hint: give it a file"),
        (&["a", "-o-", "--save-recipe=-"], "hint: give it a file"),
        (&["a", "--dry-run", "--save-recipe=-"], "hint: give it a file"),
        (&["a", "--dry-run", "--report=-"], "hint: give it a file"),
        (&["a", "-o", "@/out.csv", "--report=-", "--save-recipe=-"], "cannot both"),
        (&["a", "-o", "@/out.csv", "--report=@/r", "--save-recipe=@/dir/../r"], "cannot both"),
        (&["@/a.csv", "-o-", "--report=@/dir/../a.csv", "--force"], "it is an input or the output"),
        (&["a", "-o", "@/out.csv", "--report=@/out.csv"], "it is an input or the output"),
        (&["a", "-o-", "--report=@/a.csv"], "hint: --force"),
        (&["a", "-o-", "--report=@/dir"], "is a directory"),
        (&["a", "-o-", "--save-recipe=@/none/r.toml"], "there is no directory"),
    ] {
        let error = understood(&at(&place, arguments)).err().unwrap();
        assert!(error.contains(reason), "{arguments:?}: {error}");
    }
    for arguments in [
        &["a", "-o", "@/out.csv", "--report=-"][..],
        &["a", "-o", "@/out.csv", "--report=@/r", "--save-recipe=-"],
        &["a", "-o-", "--report=@/r.json", "--force"],
        &["a", "-o", "/dev/null", "--report=/dev/null"],
    ] {
        assert!(understood(&at(&place, arguments)).is_ok(), "{arguments:?}");
    }
}
