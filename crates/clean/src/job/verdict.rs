//! Checks that a file that was read is acceptable: its header, its encoding, the number of its rejects. Used by
//! parent, workers and the preview.

use encoding_rs::{Encoding, UTF_8};
use manyhands_csv::recipe::MaxRejects;
use manyhands_csv::report::{FileReport, Note, SetAside};
use manyhands_csv::{Head, Hint, NotUtf8, Plan, Problem, ProblemKind, Sample, counted, grouped};

use crate::input::recognize::check_sample;

pub(crate) fn unclosed_header(line: u64, field: usize) -> Problem {
    Problem::new("a quote of the header is never closed")
        .of(ProblemKind::Record)
        .at_line(line)
        .in_field(field)
        .hint(Hint::is("quote", "none").and(" reads quotes as text"))
}

pub(crate) fn header_too_long(lines_before: u64, limit: usize) -> Problem {
    let line = lines_before + 1;
    let limit = grouped(limit as u64);
    Problem::new(format!("a header of more than {limit} bytes; is a quote missing?"))
        .of(ProblemKind::Record)
        .at_line(line)
        .hint(Hint::any("max_record").and(" allows longer ones"))
}

pub(crate) fn no_header(read: usize) -> Problem {
    format!("there is no header in its first {}", counted(read as u64, "byte")).into()
}

/// Fills a report after the last pass of a file.
///
/// # Errors
/// If the counts do not add up; if records are not in the encoding that the user named; or, if none was
/// named, if the file is not text.
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

/// The place of the first byte that is not UTF-8.
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
        .and(" reads text of Western Europe, other names others; it holds for all inputs of a run")
}

/// # Errors
/// If records are not UTF-8 although the user named UTF-8.
pub(crate) fn check_utf8(
    course: &manyhands_csv::Course,
    encoding: Option<&'static Encoding>,
) -> Result<(), Problem> {
    match course.not_utf8().filter(|_| encoding == Some(UTF_8)) {
        Some(found) => {
            let place = place_of_byte(found);
            Err(Problem::new(format!("{place}, which is not UTF-8"))
                .of(ProblemKind::Format)
                .at_line(found.line + 1)
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
/// If a file has more rejects than allowed; names the most frequent reasons.
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
    .of(ProblemKind::Rejects)
    .hint(
        Hint::any("max_rejects")
            .and(" sets how many, ")
            .and_any("rejects")
            .and(" where they are kept"),
    ))
}
