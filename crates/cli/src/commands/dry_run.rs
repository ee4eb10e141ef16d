//! `manyhands clean --dry-run`: predicts the job from the first records of each input. The plan and the rows
//! are data, on standard output; errors and warnings go to standard error, as in a run.

use std::collections::BTreeMap;
use std::io;

use manyhands::clean::recipe::Type;
use manyhands::clean::{CleanError, Preview, shown};

use super::written::{GoOn, breaks_strict, write_recipe, write_report};
use crate::hints::flag;
use crate::resolve::Job;
use crate::summary;
use crate::table::{table, table_of, wrapped};
use crate::ui::{self, counted, grouped};

/// Number of records that are read of each input, and number that is shown of the first input.
const LOOK: usize = 1000;
const SHOW: usize = 5;
/// Number of inputs that are named.
const FILES: usize = 10;

pub(super) fn dry_run(
    job: &Job,
    types: BTreeMap<String, Type>,
    go_on: GoOn<'_>,
) -> Result<i32, CleanError> {
    let (look, show) = job.rows.map_or((LOOK, SHOW), |rows| (rows, rows));
    let mut preview = job.clean.preview(look, show, |_| go_on())?;
    preview.report.types = types;
    if let Some(target) = &job.save_recipe {
        write_recipe(job, target, &[], go_on)?;
    }
    if let Some(target) = &job.report {
        let mut json = preview.report.to_json(flag);
        json["dry_run"] = serde_json::json!({ "rows": preview.look });
        write_report(job, target, &format!("{json:#}\n"), &preview.report.files, go_on)?;
    }
    ui::print(&described(&preview, job.has_output, ui::width(io::stdout())))?;
    summary::tell_wrong(&preview.report, job.quiet, job.verbose);
    let failed = preview.report.files.iter().any(|file| file.error.is_some());
    Ok(i32::from(breaks_strict(job, &preview.report) || failed))
}

/// The output of a dry run.
fn described(preview: &Preview, has_output: bool, width: usize) -> String {
    let files = files(preview, has_output);
    let resumed = &preview.report.resumed;
    if !resumed.is_empty() && resumed.len() == preview.files.len() {
        return files;
    }
    let mut text = String::new();
    let passes = preview.passes.len();
    // The last pass has all steps; the passes before it show what they gather.
    let steps = preview.passes.last().map_or(0, Vec::len);
    text += &format!("plan: {}", counted(steps as u64, "step"));
    text += &if passes > 1 { format!(" in {passes} passes\n") } else { "\n".to_owned() };
    for (number, steps) in preview.passes.iter().enumerate() {
        let indent = if passes > 1 { "    " } else { "  " };
        if passes > 1 {
            text += &format!("  pass {}\n", number + 1);
        }
        steps.iter().for_each(|step| text += &format!("{indent}{}\n", shown::line(step)));
    }
    text += &files;
    summary::headers(&preview.report, true).iter().for_each(|line| text += &format!("{line}\n"));
    if let Some(dialect) = preview.report.files.iter().find_map(|file| file.dialect.as_ref()) {
        text += &format!("delimiter: {}\n", dialect.describe());
        for line in dialect.describe_frame() {
            text += &format!("{}\n", shown::line(&line));
        }
        dialect.evidence.iter().for_each(|found| text += &format!("{found}\n"));
    }
    text += "before:\n";
    text += &table(&preview.before, 2, width);
    text += if passes > 1 { "after, with aggregates over these rows only:\n" } else { "after:\n" };
    text += &table(&preview.after, 2, width);
    let of = if preview.files.len() == 1 { "the file" } else { "each file" };
    let look = grouped(preview.look as u64);
    // Rows of an input that would fail are shown too: they may be the reason.
    let mut looked = preview.report.clone();
    looked.files.iter_mut().for_each(|file| file.error = None);
    let is_looked_at = |place: &usize| !resumed.contains(place);
    let files = looked.files.into_iter().enumerate();
    looked.files = files.filter(|(place, _)| is_looked_at(place)).map(|(_, file)| file).collect();
    text += &format!("looked at, up to {look} of {of}: {}\n", summary::counts(&looked));
    summary::reasons(&looked).iter().for_each(|line| text += &format!("{line}\n"));
    if !preview.rejects.is_empty() {
        text += "would be rejected, to begin with:\n";
        text += &rejects(&preview.rejects, preview.files.len(), width);
    }
    text
}

/// The inputs and their outputs.
fn files(preview: &Preview, has_output: bool) -> String {
    let resumed = &preview.report.resumed;
    let mut text = format!("files: {}", grouped(preview.files.len() as u64));
    if !resumed.is_empty() {
        text += &format!(" ({} done before)", grouped(resumed.len() as u64));
    }
    text.push('\n');
    for (place, (input, output)) in preview.files.iter().take(FILES).enumerate() {
        text += &format!("  {}", shown::line(input));
        if has_output {
            text += &format!(" -> {}", shown::line(output));
        }
        text += if resumed.contains(&place) { " (done before)\n" } else { "\n" };
    }
    if preview.files.len() > FILES {
        text += &format!("  (and {} more)\n", grouped((preview.files.len() - FILES) as u64));
    }
    text
}

/// The rejected records without what a terminal has no room for: byte offsets, and the name of the only file.
/// If a table would cut the reasons off, each record is a sentence.
fn rejects(rows: &[Vec<String>], files: usize, width: usize) -> String {
    let is_shown = |column: &usize| *column != 2 && !(files == 1 && *column == 0);
    let shown = |row: &Vec<String>| {
        let cells = row.iter().enumerate().filter(|(column, _)| is_shown(column));
        cells.map(|(_, cell)| cell.clone()).collect()
    };
    let (text, hidden) = table_of(&rows.iter().map(shown).collect::<Vec<_>>(), 2, width);
    // The last column is the record, which may be long.
    if hidden <= 1 {
        return text;
    }
    let sentence = |row: &Vec<String>| {
        let [file, line, _, step, column, reason, ..] = &row[..] else { return String::new() };
        let mut text = format!("line {line}: {step}: {reason}");
        if !column.is_empty() {
            text += &format!(" in {column}");
        }
        if files > 1 {
            text = format!("{file}: {text}");
        }
        wrapped(&shown::line(&text), 2, width)
    };
    rows.iter().skip(1).map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use manyhands::clean::FileReport;

    use super::*;

    fn rows(rows: &[[&str; 2]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect()
    }

    #[test]
    fn a_dry_run_shows_plan_files_and_rows() {
        let mut preview = Preview::default();
        preview.files = vec![("a.csv".to_owned(), "out/cleaned_a.csv".to_owned())];
        preview.passes = vec![vec!["trim all".to_owned()]];
        preview.before = rows(&[["id", "city"], ["1", " Ulm "]]);
        preview.after = rows(&[["id", "city"], ["1", "Ulm"]]);
        preview.look = 1000;
        preview.report.files =
            vec![FileReport { rows_in: 1, rows_out: 1, ..FileReport::default() }];
        assert_eq!(
            described(&preview, true, 80),
            "plan: 1 step\n  trim all\nfiles: 1\n  a.csv -> out/cleaned_a.csv\nbefore:\n  id  city\n  \
             1    Ulm\nafter:\n  id  city\n  1   Ulm\n\
             looked at, up to 1,000 of the file: 1 row in, 1 out, 0 rejected, 0 dropped\n"
        );
        preview
            .passes
            .push(vec!["trim all".to_owned(), "derive share = value / max(value)".to_owned()]);
        let text = described(&preview, false, 80);
        assert!(
            text.starts_with(
                "plan: 2 steps in 2 passes\n  pass 1\n    trim all\n  pass 2\n    trim"
            )
        );
        assert!(text.contains("\n  a.csv\n"));
        assert!(text.contains("aggregates over these rows only"));
    }

    #[test]
    fn a_narrow_terminal_shows_why_records_would_be_rejected() {
        let row = |line: &str, step: &str, column: &str, reason: &str| {
            ["in.csv", line, "7", step, column, reason, "record"].map(str::to_owned).to_vec()
        };
        let rows = [
            row("line", "step", "column", "reason"),
            row("2", "1 types", "quantity", "not an integer"),
            row("4", "read", "", "ragged: 3 fields, the header has 2"),
        ];
        assert_eq!(
            rejects(&rows, 1, 40),
            "  line 2: 1 types: not an integer in\n    quantity\n  \
             line 4: read: ragged: 3 fields, the\n    header has 2\n"
        );
        assert!(
            rejects(&rows, 2, 40).starts_with("  in.csv: line 2: 1 types: not an\n    integer")
        );
        assert!(rejects(&rows, 1, 80).starts_with("  line  step     column    reason"));
    }
}
