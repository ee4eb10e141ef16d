//! Prints the end of a job: one line for all files, why rows are missing, what went wrong, and
//! notes. Similar messages are printed once, with their number. Names are escaped for the terminal.

use std::collections::HashMap;

use manyhands::clean::{FileReport, Hint, Note, Problem, ProblemKind, Ragged, Report, shown};

use crate::hints::{flag, told};
use crate::ui::{self, counted, grouped};

/// The most reasons, failed files, kinds of notes and places of rejects that are printed unless all are wanted.
const REASONS: usize = 10;
const FAILED: usize = 10;
const NOTES: usize = 5;
const REJECTS: usize = 3;

/// Prints the outcome of a job. Failed files, and notes on rows that are missing or wrong, are printed even
/// with `--quiet`.
pub(crate) fn tell(report: &Report, quiet: bool, verbose: bool) {
    if verbose {
        for (place, file) in report.files.iter().enumerate() {
            ui::say(account(file, report.resumed.contains(&place)).trim_end());
        }
    }
    if !quiet {
        ui::say(total(report));
        // The account of a single file has them.
        if !(verbose && report.files.len() == 1) {
            reasons(report).iter().for_each(ui::say);
        }
        headers(report, verbose).iter().for_each(ui::say);
        if let Some(text) = left_out(report, verbose) {
            ui::say(text);
        }
    }
    tell_failed(report, verbose);
    let text = if quiet { None } else { rejects(report, verbose) };
    if let Some(text) = text {
        ui::say(text);
    }
    if quiet && let Some(text) = lost(report) {
        ui::warning(text);
    }
    if !verbose {
        tell_notes(report, quiet);
    }
}

/// Prints the errors and notes of a dry run.
pub(crate) fn tell_wrong(report: &Report, quiet: bool, verbose: bool) {
    if !quiet && let Some(text) = left_out(report, verbose) {
        ui::say(text);
    }
    tell_failed(report, verbose);
    tell_notes(report, quiet);
}

/// Differences between the headers of the inputs, if there are any or if all is wanted.
pub(crate) fn headers(report: &Report, all: bool) -> Vec<String> {
    let lines = report.headers.as_ref().map(|headers| headers.in_words(all)).unwrap_or_default();
    if all || lines.len() > 1 { lines } else { Vec::new() }
}

/// Files of rejects that are not inputs.
fn left_out(report: &Report, all: bool) -> Option<String> {
    let first = report.left_out.first()?;
    if all {
        let line = |name: &String| format!("left out: {}", shown::line(name));
        return Some(report.left_out.iter().map(line).collect::<Vec<_>>().join("\n"));
    }
    let count = counted(report.left_out.len() as u64, "file");
    let such = if report.left_out.len() == 1 { "" } else { "such as " };
    Some(format!("left out: {count} of rejects, {such}{}", shown::line(first)))
}

fn tell_notes(report: &Report, quiet: bool) {
    warnings(report, quiet).iter().for_each(|problem| ui::warning(told(problem)));
}

/// The line on rejected records that is printed even with `--quiet`; `None` if there are none.
fn lost(report: &Report) -> Option<String> {
    let done = || report.files.iter().filter(|file| file.error.is_none());
    let rejected: u64 = done().map(FileReport::rows_rejected).sum();
    let rows = done().map(|file| file.rows_in).sum();
    let place = done().find_map(|file| file.rejects.as_deref());
    let place = place.map_or_else(String::new, |place| format!(", see {}", shown::line(place)));
    let are = if rejected == 1 { "is" } else { "are" };
    let of = counted(rows, "record");
    (rejected > 0).then(|| format!("{} of {of} {are} rejected{place}", grouped(rejected)))
}

/// One line for all files.
fn total(report: &Report) -> String {
    let failed = report.files.iter().filter(|file| file.error.is_some()).count();
    let files = counted(report.files.len() as u64, "file");
    let withheld = report.files.iter().filter(|file| file.withheld).count();
    let failed = failed - withheld;
    let mut remarks = match (failed, withheld) {
        (0, _) => String::new(),
        (_, 0) => format!(" ({} failed)", grouped(failed as u64)),
        _ => format!(
            " ({} failed, {} not written)",
            grouped(failed as u64),
            grouped(withheld as u64)
        ),
    };
    if !report.resumed.is_empty() {
        remarks += &format!(" ({} done before)", grouped(report.resumed.len() as u64));
    }
    format!("{files}{remarks}, {}, {:.1} s", counts(report), report.seconds)
}

/// The rows by their outcome. Rows of failed files are not counted, since nothing of these files is written.
pub(crate) fn counts(report: &Report) -> String {
    let done = || report.files.iter().filter(|file| file.error.is_none());
    let sum = |count: fn(&FileReport) -> u64| done().map(count).sum::<u64>();
    format!(
        "{} in, {} out, {} rejected, {} dropped",
        counted(sum(|file| file.rows_in), "row"),
        grouped(sum(|file| file.rows_out)),
        grouped(sum(FileReport::rows_rejected)),
        grouped(sum(
            |file| file.set_aside.iter().map(|rows| rows.rows).sum::<u64>() - file.rows_rejected()
        )),
    )
}

/// Why rows are missing and cells count as empty: step, reason, number of rows or cells, number of files; the
/// most frequent first.
pub(crate) fn reasons(report: &Report) -> Vec<String> {
    let mut counts: HashMap<(usize, &str, String, &str), (u64, u64)> = HashMap::new();
    for file in report.files.iter().filter(|file| file.error.is_none()) {
        let aside = file.set_aside.iter().map(|aside| {
            let rejected = aside.rejected && aside.reason != "rejected";
            let what = aside.reason.clone() + if rejected { ", rejected" } else { "" };
            ((aside.step, &*aside.name, what, "row"), aside.rows)
        });
        let cells = file.cells.iter().filter(|cells| !is_intended(&cells.what)).map(|cells| {
            let what = match &*cells.what {
                known @ ("padded" | "surplus dropped") => known.to_owned(),
                unreadable => format!("{unreadable}, taken as empty"),
            };
            ((cells.step, &*cells.name, what, "cell"), cells.cells)
        });
        for (key, count) in aside.chain(cells) {
            let sum = counts.entry(key).or_default();
            *sum = (sum.0 + count, sum.1 + 1);
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(one, (a, _)), (other, (b, _))| b.cmp(a).then_with(|| one.cmp(other)));
    let mut lines: Vec<String> = counts
        .iter()
        .take(if counts.len() > REASONS { REASONS - 1 } else { REASONS })
        .map(|((number, name, what, unit), (count, files))| {
            let files = match report.files.len() {
                1 => String::new(),
                _ => format!(" in {}", counted(*files, "file")),
            };
            let found = match (number, what.as_str()) {
                (0, "ragged, rejected") => ragged_of(report).as_ref().map(fields_of),
                _ => None,
            };
            let (step, count) = (step(*number, name), counted(*count, unit));
            format!("  {step}: {count} {}{}{files}", shown::line(what), found.unwrap_or_default())
        })
        .collect();
    if counts.len() > lines.len() {
        let more = counted((counts.len() - lines.len()) as u64, "more reason");
        lines.push(format!("  and {more}"));
    }
    lines
}

/// Returns whether a step does this to cells on purpose.
fn is_intended(what: &str) -> bool {
    matches!(what, "trimmed" | "emptied" | "replaced" | "filled")
}

/// Returns whether a file has an error, other than that the reader of the output closed it.
pub(crate) fn has_failed(file: &FileReport) -> bool {
    file.error.is_some() && file.error_kind != Some(ProblemKind::Closed)
}

/// Prints the errors of files.
pub(crate) fn tell_failed(report: &Report, all: bool) {
    let failed: Vec<&FileReport> =
        report.files.iter().filter(|file| has_failed(file) && !file.withheld).collect();
    let shown = if all { failed.len() } else { FAILED };
    for problem in failed.iter().take(shown).filter_map(|file| file.problem()) {
        ui::error(told(&problem));
    }
    if failed.len() > shown {
        let more = counted((failed.len() - shown) as u64, "more file");
        let hint = Hint::on("verbose").and(" tells all, ").and_is("report", "FILE.json");
        ui::error(told(&Problem::new(format!("{more} failed")).hint(hint.and(" keeps them"))));
    }
    // They all have the same error.
    let withheld: Vec<&FileReport> = report.files.iter().filter(|file| file.withheld).collect();
    if let Some(first) = withheld.first() {
        let error = first.error.as_deref().unwrap_or_default();
        let more = match withheld.len() as u64 - 1 {
            0 => String::new(),
            more => format!(" and {}", counted(more, "more file")),
        };
        let problem = Problem::new(format!("{}{more}: {error}", shown::line(&first.input)));
        ui::error(told(&problem.hint(first.hint.clone())));
    }
}

/// The places of the rejected records.
fn rejects(report: &Report, all: bool) -> Option<String> {
    let places: Vec<(&str, u64)> = report
        .files
        .iter()
        .filter_map(|file| Some((file.rejects.as_deref()?, file.rows_rejected())))
        .collect();
    let mut merged: Vec<(&str, u64)> = Vec::new();
    for (place, rows) in places {
        // Inputs of one output share its rejects.
        match merged.iter_mut().find(|(known, _)| *known == place) {
            Some((_, sum)) => *sum += rows,
            None => merged.push((place, rows)),
        }
    }
    let shown = if all { merged.len() } else { REJECTS };
    let line = |(place, rows): &(&str, u64)| {
        format!("rejected: {} in {}", counted(*rows, "record"), shown::line(place))
    };
    let mut lines: Vec<String> = merged.iter().take(shown).map(line).collect();
    if merged.len() > shown {
        let rows = merged[shown..].iter().map(|(_, rows)| rows).sum();
        let files = counted((merged.len() - shown) as u64, "more file");
        lines.push(format!("rejected: {} in {files}", counted(rows, "record")));
    }
    if lines.is_empty() { None } else { Some(lines.join("\n")) }
}

/// Notes of one kind: the first of them with its file, and their number.
struct Kind<'a> {
    file: &'a FileReport,
    note: &'a Note,
    count: u64,
}

/// The notes by kind; notes on missing or wrong rows come first.
fn kinds(report: &Report) -> Vec<Kind<'_>> {
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    let mut places: HashMap<(bool, String), usize> = HashMap::new();
    for file in &report.files {
        for note in &file.notes {
            let place =
                *places.entry((note.loses_rows, likeness(&note.text))).or_insert_with(|| {
                    kinds.push(Kind { file, note, count: 0 });
                    kinds.len() - 1
                });
            kinds[place].count += 1;
        }
    }
    kinds.sort_by_key(|kind| !kind.note.loses_rows);
    kinds
}

/// The part of a note's text that is the same for other names and numbers.
fn likeness(text: &str) -> String {
    let mut like = String::with_capacity(text.len());
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quote = Some(c),
            None if c.is_ascii_digit() || c == ',' && like.ends_with('#') => {
                if !like.ends_with('#') {
                    like.push('#');
                }
            }
            None => like.push(c),
        }
    }
    like
}

/// The warnings for notes; with `quiet`, only for notes on missing or wrong rows.
fn warnings(report: &Report, quiet: bool) -> Vec<Problem> {
    let kinds = kinds(report);
    let wanted: Vec<&Kind> = kinds.iter().filter(|kind| !quiet || kind.note.loses_rows).collect();
    let warning = |Kind { file, note, count }: &&Kind| {
        let more = match *count - 1 {
            0 => String::new(),
            more => format!(" (and {} like this)", counted(more, "more note")),
        };
        let problem = Problem::new(format!("{}{more}", note.text)).hint(note.hint.clone());
        problem.in_file(&file.input)
    };
    let mut warnings: Vec<Problem> = wanted.iter().take(NOTES).map(warning).collect();
    if wanted.len() > NOTES {
        let more = counted((wanted.len() - NOTES) as u64, "more kind");
        let hint = Hint::on("verbose").and(" tells all");
        warnings.push(Problem::new(format!("{more} of notes")).hint(hint));
    }
    warnings
}

/// The account of a file, in several lines.
fn account(file: &FileReport, is_resumed: bool) -> String {
    let (input, output) = (shown::line(&file.input), shown::line(&file.output));
    let mut text = format!("{input} -> {output}: ");
    if file.error.is_some() {
        return text + "failed";
    }
    if is_resumed {
        text += "done before, ";
    }
    text += &format!("{} in, {} out\n", counted(file.rows_in, "row"), grouped(file.rows_out));
    if let Some(dialect) = &file.dialect {
        text += &format!("  delimiter: {}\n", dialect.describe());
        for line in dialect.describe_frame() {
            text += &format!("  {}\n", shown::line(&line));
        }
        dialect.evidence.iter().for_each(|found| text += &format!("  {found}\n"));
    }
    if file.blank_lines > 0 {
        text += &format!("  {}\n", counted(file.blank_lines, "blank line"));
    }
    for aside in &file.set_aside {
        let rejected = if aside.rejected && aside.reason != "rejected" { ", rejected" } else { "" };
        let rows = counted(aside.rows, "row");
        let found = match &file.ragged {
            Some(ragged) if aside.step == 0 && aside.reason == "ragged" => fields_of(ragged),
            _ => String::new(),
        };
        let step = step(aside.step, &aside.name);
        text += &format!("  {step}: {rows} {}{rejected}{found}\n", aside.reason);
    }
    for cells in &file.cells {
        let count = counted(cells.cells, "cell");
        text += &format!("  {}: {count} {}\n", step(cells.step, &cells.name), cells.what);
    }
    for note in &file.notes {
        let kind = if note.loses_rows { "warning" } else { "note" };
        text += &format!("  {kind}: {}\n", shown::lines(&note.text));
        if let Some(hint) = &note.hint {
            text += &format!("    hint: {}\n", shown::line(&hint.render(flag)));
        }
    }
    text
}

/// Numbers of fields of the ragged records of all files; `None` if their headers differ in length.
fn ragged_of(report: &Report) -> Option<Ragged> {
    let mut all: Option<Ragged> = None;
    for ragged in
        report.files.iter().filter(|file| file.error.is_none()).flat_map(|file| &file.ragged)
    {
        let all = all.get_or_insert(Ragged { expected: ragged.expected, ..Ragged::default() });
        if all.expected != ragged.expected {
            return None;
        }
        all.others += ragged.others;
        for count in &ragged.found {
            match all.found.iter_mut().find(|known| known.fields == count.fields) {
                Some(known) => known.rows += count.rows,
                None => all.found.push(count.clone()),
            }
        }
    }
    let all = all.as_mut()?;
    all.found.sort_by_key(|count| (std::cmp::Reverse(count.rows), count.fields));
    Some(all.clone())
}

/// The numbers of fields that ragged records have, and should have.
fn fields_of(ragged: &Ragged) -> String {
    let found: Vec<String> = ragged
        .found
        .iter()
        .map(|count| {
            format!("{} with {}", grouped(count.rows), counted(count.fields as u64, "field"))
        })
        .collect();
    let mut found = found.join(", ");
    if ragged.others > 0 {
        found += &format!(", {} with other numbers", grouped(ragged.others));
    }
    format!(" ({found}; expected {})", ragged.expected)
}

fn step(number: usize, name: &str) -> String {
    if number == 0 { name.to_owned() } else { format!("step {number} {name}") }
}

#[cfg(test)]
mod tests {
    use manyhands::clean::{Cells, SetAside};

    use super::*;

    fn aside(step: usize, name: &str, reason: &str, rejected: bool, rows: u64) -> SetAside {
        SetAside { step, name: name.into(), reason: reason.into(), rejected, rows }
    }

    fn file(input: &str) -> FileReport {
        FileReport {
            input: input.into(),
            output: format!("out/{input}"),
            rows_in: 1_010,
            rows_out: 1_000,
            set_aside: vec![
                aside(0, "read", "ragged", true, 2),
                aside(3, "filter", "filtered", false, 8),
            ],
            rejects: Some(format!("out/{input}.rejects.csv")),
            ..FileReport::default()
        }
    }

    fn report(files: Vec<FileReport>) -> Report {
        let mut report = Report::default();
        report.files = files;
        report.seconds = 1.94;
        report
    }

    #[test]
    fn the_total_accounts_for_every_row() {
        assert_eq!(
            total(&report(vec![file("a.csv"), file("b.csv")])),
            "2 files, 2,020 rows in, 2,000 out, 4 rejected, 16 dropped, 1.9 s"
        );
        let failed = FileReport { error: Some("gone".into()), rows_in: 7, ..file("c.csv") };
        assert_eq!(
            total(&report(vec![file("a.csv"), failed])),
            "2 files (1 failed), 1,010 rows in, 1,000 out, 2 rejected, 8 dropped, 1.9 s"
        );
        assert_eq!(
            total(&report(vec![FileReport::default()])),
            "1 file, 0 rows in, 0 out, 0 rejected, 0 dropped, 1.9 s"
        );
    }

    #[test]
    fn the_ten_most_frequent_reasons_are_reported_with_their_files() {
        let cells =
            |what: &str, cells| Cells { step: 2, name: "types".into(), what: what.into(), cells };
        let cells = vec![cells("trimmed", 9), cells("not a number", 7)];
        let mut one = FileReport { cells, ..file("a.csv") };
        assert_eq!(
            reasons(&report(vec![one.clone()])),
            [
                "  step 3 filter: 8 rows filtered",
                "  step 2 types: 7 cells not a number, taken as empty",
                "  read: 2 rows ragged, rejected"
            ]
        );
        one.set_aside.extend((4..20).map(|step| aside(step, "filter", "filtered", false, 1)));
        let lines = reasons(&report(vec![one.clone(), file("b.csv")]));
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[0], "  step 3 filter: 16 rows filtered in 2 files");
        assert_eq!(lines[2], "  read: 4 rows ragged, rejected in 2 files");
        assert_eq!(lines[9], "  and 10 more reasons");
        one.error = Some("gone".into());
        assert_eq!(reasons(&report(vec![one])), [""; 0]);
    }

    #[test]
    fn notes_on_lost_rows_come_first_and_are_printed_with_quiet() {
        let note = |n: u32| Note::from(format!("{n} of \"{n}\" are {}", "x".repeat(n as usize)));
        let lost = Note::warning("9,999 rows are gone");
        let of = |notes: Vec<Note>| FileReport { notes, ..file("a.csv") };
        let files =
            vec![of((1..9).map(note).collect()), of(vec![note(1), lost.clone()]), of(vec![lost])];
        let messages = |quiet| {
            let report = report(files.clone());
            warnings(&report, quiet).into_iter().map(|it| it.text()).collect::<Vec<_>>()
        };
        assert_eq!(messages(true), ["a.csv: 9,999 rows are gone (and 1 more note like this)"]);
        let all = messages(false);
        assert_eq!(all[0], "a.csv: 9,999 rows are gone (and 1 more note like this)");
        assert_eq!(all[1], "a.csv: 1 of \"1\" are x (and 1 more note like this)");
        assert_eq!(all[5..], ["4 more kinds of notes"]);
    }

    #[test]
    fn an_account_has_all_fates() {
        let cells = Cells { step: 2, name: "trim".into(), what: "trimmed".into(), cells: 1 };
        let notes = vec!["two columns are named \"a\"".to_owned().into()];
        let file = FileReport { cells: vec![cells], notes, blank_lines: 1, ..file("a.csv") };
        assert_eq!(
            account(&file, false),
            "a.csv -> out/a.csv: 1,010 rows in, 1,000 out\n  1 blank line\n  read: 2 rows ragged, rejected\n  \
             step 3 filter: 8 rows filtered\n  step 2 trim: 1 cell trimmed\n  note: two columns are named \"a\"\n"
        );
        let failed = FileReport { error: Some("gone".into()), ..file };
        assert_eq!(account(&failed, false), "a.csv -> out/a.csv: failed");
    }

    #[test]
    fn places_of_rejects_are_reported_once_each_and_not_without_end() {
        let files = ["a", "b", "c", "d", "e"].map(file);
        let text = rejects(&report(files.to_vec()), false).unwrap();
        assert_eq!(
            text,
            "rejected: 2 records in out/a.rejects.csv\nrejected: 2 records in out/b.rejects.csv\n\
             rejected: 2 records in out/c.rejects.csv\nrejected: 4 records in 2 more files"
        );
        assert_eq!(rejects(&report(files.to_vec()), true).unwrap().lines().count(), 5);
        let shared = rejects(&report(vec![file("a"), file("a")]), false);
        assert_eq!(shared.as_deref(), Some("rejected: 4 records in out/a.rejects.csv"));
        assert_eq!(rejects(&report(vec![]), false), None);
    }
}
