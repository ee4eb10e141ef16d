//! What is said at the end of a job: one line for all, then what went wrong, then what to know.

use manyhands::clean::{FileReport, Problem, Report};

use crate::hints::{flag, told};
use crate::ui::{self, counted, grouped};

/// How many failed files, notes and places of rejects are named unless all are wanted.
const FAILED: usize = 10;
const NOTES: usize = 5;
const REJECTS: usize = 3;

/// Says what became of a job. Failed files are told even if it is to be quiet.
pub(crate) fn tell(report: &Report, quiet: bool, verbose: bool) {
    if verbose {
        for (place, file) in report.files.iter().enumerate() {
            ui::say(account(file, report.resumed.contains(&place)).trim_end());
        }
    }
    if !quiet {
        ui::say(total(report));
    }
    tell_failed(report, verbose);
    if !quiet {
        if let Some(text) = rejects(report, verbose) {
            ui::say(text);
        }
        if !verbose {
            tell_notes(report);
        }
    }
}

/// One line for all files. The rows of failed files are not counted, since nothing of them is out.
fn total(report: &Report) -> String {
    let done = || report.files.iter().filter(|file| file.error.is_none());
    let sum = |count: fn(&FileReport) -> u64| done().map(count).sum::<u64>();
    let files = counted(report.files.len() as u64, "file");
    let failed = report.files.len() - done().count();
    let mut remarks =
        if failed == 0 { String::new() } else { format!(" ({} failed)", grouped(failed as u64)) };
    if !report.resumed.is_empty() {
        remarks += &format!(" ({} done before)", grouped(report.resumed.len() as u64));
    }
    format!(
        "{files}{remarks}, {} in, {} out, {} rejected, {} set aside, {:.1} s",
        counted(sum(|file| file.rows_in), "row"),
        grouped(sum(|file| file.rows_out)),
        grouped(sum(FileReport::rows_rejected)),
        grouped(sum(
            |file| file.set_aside.iter().map(|rows| rows.rows).sum::<u64>() - file.rows_rejected()
        )),
        report.seconds
    )
}

fn tell_failed(report: &Report, all: bool) {
    let failed: Vec<&FileReport> =
        report.files.iter().filter(|file| file.error.is_some()).collect();
    let shown = if all { failed.len() } else { FAILED };
    for file in failed.iter().take(shown) {
        let error = file.error.clone().unwrap_or_default();
        let problem = Problem { message: error, hint: file.hint.clone() };
        ui::error(told(&problem.at(&file.input)));
    }
    if failed.len() > shown {
        let more = counted((failed.len() - shown) as u64, "more file");
        ui::error(format_args!(
            "{more} failed\nhint: --verbose tells all, --report FILE.json keeps them"
        ));
    }
}

/// Where the rejected records are.
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
    let line =
        |(place, rows): &(&str, u64)| format!("rejected: {} in {place}", counted(*rows, "record"));
    let mut lines: Vec<String> = merged.iter().take(shown).map(line).collect();
    if merged.len() > shown {
        let rows = merged[shown..].iter().map(|(_, rows)| rows).sum();
        let files = counted((merged.len() - shown) as u64, "more file");
        lines.push(format!("rejected: {} in {files}", counted(rows, "record")));
    }
    if lines.is_empty() { None } else { Some(lines.join("\n")) }
}

fn tell_notes(report: &Report) {
    let notes =
        || report.files.iter().flat_map(|file| file.notes.iter().map(move |note| (file, note)));
    for (file, note) in notes().take(NOTES) {
        let problem = Problem { message: note.text.clone(), hint: note.hint.clone() };
        ui::warning(told(&problem.at(&file.input)));
    }
    let more = notes().count().saturating_sub(NOTES);
    if more > 0 {
        let notes = counted(more as u64, "more note");
        ui::warning(format_args!("{notes} of this kind\nhint: --verbose tells all"));
    }
}

/// A file's accounting, in several lines.
fn account(file: &FileReport, is_resumed: bool) -> String {
    let mut text = format!("{} -> {}: ", file.input, file.output);
    if file.error.is_some() {
        return text + "failed";
    }
    if is_resumed {
        text += "done before, ";
    }
    text += &format!("{} in, {} out\n", counted(file.rows_in, "row"), grouped(file.rows_out));
    if file.blank_lines > 0 {
        text += &format!("  {}\n", counted(file.blank_lines, "blank line"));
    }
    for aside in &file.set_aside {
        let rejected = if aside.rejected && aside.reason != "rejected" { ", rejected" } else { "" };
        let rows = counted(aside.rows, "row");
        text +=
            &format!("  {}: {rows} {}{rejected}\n", step(aside.step, &aside.name), aside.reason);
    }
    for cells in &file.cells {
        let count = counted(cells.cells, "cell");
        text += &format!("  {}: {count} {}\n", step(cells.step, &cells.name), cells.what);
    }
    for note in &file.notes {
        text += &format!("  note: {}\n", note.text);
        if let Some(hint) = &note.hint {
            text += &format!("    hint: {}\n", hint.render(flag));
        }
    }
    text
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
            "2 files, 2,020 rows in, 2,000 out, 4 rejected, 16 set aside, 1.9 s"
        );
        let failed = FileReport { error: Some("gone".into()), rows_in: 7, ..file("c.csv") };
        assert_eq!(
            total(&report(vec![file("a.csv"), failed])),
            "2 files (1 failed), 1,010 rows in, 1,000 out, 2 rejected, 8 set aside, 1.9 s"
        );
        assert_eq!(
            total(&report(vec![FileReport::default()])),
            "1 file, 0 rows in, 0 out, 0 rejected, 0 set aside, 1.9 s"
        );
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
    fn places_of_rejects_are_told_once_each_and_not_without_end() {
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
