//! Which inputs fit into one output.

use manyhands_csv::report::{Characters, FileReport};
use manyhands_csv::{Hint, Prepared, Problem};

use crate::column_names::{listed, without};
use crate::options::Output;

/// Adds a note to the first file if several files have one output and the result of a step of the recipe depends on
/// other rows of the same file.
pub(crate) fn note_steps_of_one_file(
    prepared: &Prepared,
    output: &Output,
    files: &mut [FileReport],
) {
    let hint = match output {
        Output::ConcatenatedFile(_) | Output::ConcatenatedStdout => {
            "clean the one output once more with that step"
        }
        Output::Sqlite(..) | Output::Postgres(..) => {
            "make one file of them first, and clean that file into the table with that step"
        }
        Output::Directory(..) | Output::File(_) | Output::Stdout => return,
    };
    if let Some((number, name)) = prepared.over_rows()
        && let [first, _, ..] = files
    {
        let text = format!(
            "step {number} ({name}) looks at the rows of one file at a time, not at those of all files"
        );
        let hint = Hint::words(format!("for all files together, {hint}"));
        first.notes.push(Problem::new(text).hint(hint).into());
    }
}

/// # Errors
/// If the columns of a file differ from those of the first file in the output. An empty file has no columns.
pub(crate) fn check_names(first: &[String], names: &[String]) -> Result<(), Problem> {
    if first == names || names.is_empty() {
        return Ok(());
    }
    let (missing, more) = (without(first, names), without(names, first));
    let problem = match (&missing[..], &more[..]) {
        ([], []) => format!(
            "its columns are in another order than those of the first file: {} instead of {}",
            listed(names),
            listed(first)
        ),
        (missing, []) => format!("it lacks columns of the first file: {}", listed(missing)),
        ([], more) => format!("it has more columns than the first file: {}", listed(more)),
        (missing, more) => format!(
            "it has other columns than the first file: {} instead of {}",
            listed(more),
            listed(missing)
        ),
    };
    let hint = match (&missing[..], &more[..]) {
        ([], []) => {
            Hint::on("union").and(" puts the columns of all inputs into one order, by name")
        }
        ([_, ..], [_, ..]) if one_delimiter(first, names) => {
            Hint::is("delimiter", "auto").and(" reads each file with its own delimiter")
        }
        (missing, more) => {
            let renamed = match (missing, more) {
                ([missing], [more]) => format!("a rename step makes {more:?} {missing:?}; "),
                ([_, ..], [_, ..]) => "a rename step makes names agree; ".to_owned(),
                _ => String::new(),
            };
            Hint::words(renamed)
                .and_on("union")
                .and(" takes all columns of all inputs, ")
                .and_on("intersect")
                .and(" those that all have")
        }
    };
    Err(Problem::new(problem).hint(hint))
}

/// One output for all inputs has one encoding. An input whose bytes are not UTF-8 cannot follow one with
/// non-ASCII UTF-8 characters, nor the reverse. ASCII fits both.
pub(crate) fn check_characters(
    first: Option<&(Characters, String)>,
    characters: Characters,
) -> Result<(), Problem> {
    let Some((known, first)) = first else { return Ok(()) };
    let text = match (known, characters) {
        (Characters::Utf8, Characters::Other) => {
            format!("its bytes are not UTF-8, and those of {first} are")
        }
        (Characters::Other, Characters::Utf8) => {
            format!("its bytes are UTF-8, and those of {first} are not")
        }
        _ => return Ok(()),
    };
    let hint = Hint::any("encoding")
        .and(" says how all inputs are encoded; those that differ are to be converted first, as by iconv");
    Err(Problem::new(format!("{text}: one output for all has one encoding")).hint(hint))
}

/// Returns whether one header is the other one read with a wrong delimiter: a single name that another
/// delimiter divides into as many.
fn one_delimiter(first: &[String], names: &[String]) -> bool {
    let (single, count) = match (first, names) {
        ([single], [_, _, ..]) => (single, names.len()),
        ([_, _, ..], [single]) => (single, first.len()),
        _ => return false,
    };
    [',', ';', '\t', '|'].iter().any(|delimiter| single.split(*delimiter).count() == count)
}
