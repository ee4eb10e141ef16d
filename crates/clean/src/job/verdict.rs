//! Whether a file that was read is as it must be: its header, its encoding, how many of its rows were rejected.
//! Parent, workers and the preview ask here.

use encoding_rs::{Encoding, UTF_8};
use manyhands_csv::recipe::MaxRejects;
use manyhands_csv::report::{FileReport, Note, SetAside};
use manyhands_csv::{Head, Hint, NotUtf8, Plan, Problem, Sample, counted, grouped};

use crate::input::recognize::check_sample;

pub(crate) fn unclosed_header(line: u64, field: usize) -> Problem {
    Problem::new(format!("line {line}, field {field}: a quote of the header is never closed"))
        .hint(Hint::is("quote", "none").and(" reads quotes as text"))
}

pub(crate) fn header_too_long(lines_before: u64, limit: usize) -> Problem {
    let line = lines_before + 1;
    let limit = grouped(limit as u64);
    Problem::new(format!("line {line}: a header of more than {limit} bytes; is a quote missing?"))
        .hint(Hint::any("max_record").and(" allows longer ones"))
}

pub(crate) fn no_header(read: usize) -> Problem {
    format!("there is no header in its first {}", counted(read as u64, "byte")).into()
}

/// Fills a report from a file's course.
///
/// # Errors
/// If a count is wrong, or records are not in the encoding that they must be in, which the user named if it
/// is there; else if they are no text.
pub(crate) fn finish_report(
    course: &manyhands_csv::Course,
    plan: &Plan,
    head: &Head,
    sample: &Sample,
    encoding: Option<&'static Encoding>,
    report: &mut FileReport,
) -> Result<(), Problem> {
    let balanced = course.report(plan, report);
    report.blank_lines += head.blank_lines;
    if !balanced {
        return Err("its rows are not all accounted for; this is a mistake in manyhands".into());
    }
    if encoding.is_none() {
        check_sample(sample)?;
    }
    check_utf8(course, encoding)?;
    report.characters = course.characters();
    report.line_ends = course.line_ends(sample);
    let notes = course.notes(plan, sample, report);
    report.notes.extend(notes);
    report.notes.extend(course.not_utf8().map(note_of_utf8));
    Ok(())
}

/// Where the first byte is that does not belong into UTF-8.
fn place_of_byte(found: &NotUtf8) -> String {
    let place = match &found.column {
        Some(column) => format!("column {column:?} has"),
        None if found.header => "the header has".to_owned(),
        None => "it has".to_owned(),
    };
    format!("{place} the byte 0x{:02X}", found.byte)
}

fn name_the_encoding() -> Hint {
    Hint::is("encoding", "windows-1252")
        .and(" reads text of Western Europe; other names read others")
}

/// # Errors
/// If records are not UTF-8 that the user said to be.
pub(crate) fn check_utf8(
    course: &manyhands_csv::Course,
    encoding: Option<&'static Encoding>,
) -> Result<(), Problem> {
    match course.not_utf8().filter(|_| encoding == Some(UTF_8)) {
        Some(found) => {
            let line = found.line + 1;
            let place = place_of_byte(found);
            Err(Problem::new(format!("line {line}: {place}, which is not UTF-8"))
                .hint(name_the_encoding()))
        }
        None => Ok(()),
    }
}

fn note_of_utf8(found: &NotUtf8) -> Note {
    let rows = match (found.header, found.rows) {
        (true, 0) => "the header is".to_owned(),
        (true, 1) => "the header and 1 row are".to_owned(),
        (true, rows) => format!("the header and {} are", counted(rows, "row")),
        (false, 1) => "1 row is".to_owned(),
        (false, rows) => format!("{} are", counted(rows, "row")),
    };
    let (line, place) = (found.line + 1, place_of_byte(found));
    Problem::new(format!("{rows} not UTF-8, from line {line} on, where {place}"))
        .hint(name_the_encoding())
        .into()
}

/// # Errors
/// If more records of a file were rejected than may be: with the most frequent reasons.
pub(crate) fn check_rejects(limit: Option<MaxRejects>, report: &FileReport) -> Result<(), Problem> {
    const REASONS: usize = 3;
    let (rejected, rows) = (report.rows_rejected(), report.rows_in);
    let Some(limit) = limit else { return Ok(()) };
    let over = match limit {
        MaxRejects::Rows(limit) => rejected > limit,
        MaxRejects::Percent(limit) => rejected as f64 * 100.0 > limit * rows as f64,
    };
    if !over {
        return Ok(());
    }
    let mut reasons: Vec<&SetAside> =
        report.set_aside.iter().filter(|some| some.rejected).collect();
    reasons.sort_by_key(|some| std::cmp::Reverse(some.rows));
    let named =
        reasons.iter().take(REASONS).map(|SetAside { step, name, reason, rows, .. }| {
            let step = if *step == 0 { String::new() } else { format!("step {step} ") };
            format!("{} {reason} ({step}{name})", grouped(*rows))
        });
    let mut why = named.collect::<Vec<_>>().join(", ");
    if reasons.len() > REASONS {
        why += ", and others";
    }
    let limit = match limit {
        MaxRejects::Rows(limit) => grouped(limit),
        share @ MaxRejects::Percent(_) => share.to_string(),
    };
    let (rejected, rows) = (grouped(rejected), counted(rows, "record"));
    Err(Problem::new(format!(
        "{rejected} of {rows} would be rejected, and at most {limit} may be: {why}"
    ))
    .hint(
        Hint::any("max_rejects")
            .and(" sets how many, ")
            .and_any("rejects")
            .and(" where they are kept"),
    ))
}
