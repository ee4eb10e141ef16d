//! `manyhands clean --dry-run`: says what the job would do, by the first records of each input. The plan and
//! the rows are data, on standard output; what would go wrong is on standard error, as in a run.

use std::collections::BTreeMap;
use std::io;

use manyhands::clean::recipe::Type;
use manyhands::clean::{CleanError, Preview, shown};

use super::clean::{GoOn, breaks_strict, write_recipe, write_report};
use crate::hints::flag;
use crate::meaning::Job;
use crate::summary;
use crate::table::table;
use crate::ui::{self, counted, grouped};

/// How many records of each input are looked at, and how many of the first are shown.
const LOOK: usize = 1000;
const SHOW: usize = 5;
/// Checks of a run to a table that a dry run leaves out.
const NO_TABLE: &str = "not checked: the database (whether it can be reached, and whether its table \
                        has other columns or rows of these files)\n";
/// How many inputs are named.
const FILES: usize = 10;

pub(super) fn dry_run(
    job: &Job,
    types: BTreeMap<String, Type>,
    go_on: GoOn<'_>,
) -> Result<i32, CleanError> {
    let (look, show) = job.rows.map_or((LOOK, SHOW), |rows| (rows, rows));
    let mut preview = job.clean.preview(look, show)?;
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
    if job.to_table {
        ui::print(NO_TABLE)?;
    }
    summary::tell_wrong(&preview.report, job.quiet, job.verbose);
    let failed = preview.report.files.iter().any(|file| file.error.is_some());
    Ok(i32::from(breaks_strict(job, &preview.report) || failed))
}

/// What a dry run prints.
fn described(preview: &Preview, has_output: bool, width: usize) -> String {
    let mut text = String::new();
    let passes = preview.passes.len();
    // The last pass has all steps; those before it say what they gather.
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
    text += &format!("files: {}\n", preview.files.len());
    for (input, output) in preview.files.iter().take(FILES) {
        let (input, output) = (shown::line(input), shown::line(output));
        text +=
            &if has_output { format!("  {input} -> {output}\n") } else { format!("  {input}\n") };
    }
    if preview.files.len() > FILES {
        text += &format!("  (and {} more)\n", preview.files.len() - FILES);
    }
    if let Some(dialect) = preview.report.files.first().and_then(|file| file.dialect.as_ref()) {
        text += &format!("delimiter: {}\n", dialect.describe());
    }
    text += "before:\n";
    text += &table(&preview.before, 2, width);
    text += if passes > 1 { "after, with aggregates over these rows only:\n" } else { "after:\n" };
    text += &table(&preview.after, 2, width);
    let of = if preview.files.len() == 1 { "the file" } else { "each file" };
    let look = grouped(preview.look as u64);
    // Also the rows of an input that would fail: they may be why.
    let mut looked = preview.report.clone();
    looked.files.iter_mut().for_each(|file| file.error = None);
    text += &format!("looked at, up to {look} of {of}: {}\n", summary::counts(&looked));
    summary::reasons(&looked).iter().for_each(|line| text += &format!("{line}\n"));
    if !preview.rejects.is_empty() {
        text += "would be rejected, to begin with:\n";
        text += &table(&rejects(&preview.rejects, preview.files.len()), 2, width);
    }
    text
}

/// The rejected records without what a terminal has no room for: byte offsets, the name of the only file.
fn rejects(rows: &[Vec<String>], files: usize) -> Vec<Vec<String>> {
    let is_shown = |column: &usize| *column != 2 && !(files == 1 && *column == 0);
    let shown = |row: &Vec<String>| {
        let cells = row.iter().enumerate().filter(|(column, _)| is_shown(column));
        cells.map(|(_, cell)| cell.clone()).collect()
    };
    rows.iter().map(shown).collect()
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
             looked at, up to 1,000 of the file: 1 row in, 1 out, 0 rejected, 0 set aside\n"
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
}
