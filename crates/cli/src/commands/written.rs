//! Writes the report and the recipe of a job, and applies `--strict`.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use manyhands::clean::{
    CleanError, FileReport, Problem, Report, is_same_file, open_device, remove_abandoned,
    write_device, write_file,
};

use crate::resolve::{Job, is_report};
use crate::ui::{self, counted};
use crate::values::Target;

/// Called while a reader is awaited; says whether to continue.
pub(super) type GoOn<'a> = &'a dyn Fn() -> ControlFlow<()>;

/// Returns whether records were rejected although `--strict` allows none; prints an error if so.
pub(super) fn breaks_strict(job: &Job, report: &Report) -> bool {
    let rejected: u64 = report.files.iter().map(FileReport::rows_rejected).sum();
    if !job.strict || rejected == 0 {
        return false;
    }
    let verb = if rejected == 1 { "was" } else { "were" };
    let records = counted(rejected, "record");
    ui::error(format_args!("{records} {verb} rejected, and --strict allows none"));
    true
}

/// Writes the report. A resumed run replaces the report of the run that was cut off.
pub(super) fn write_report(
    job: &Job,
    target: &Target,
    json: &str,
    files: &[FileReport],
    go_on: GoOn<'_>,
) -> Result<(), CleanError> {
    let is_own = |path: &Path| job.resume && path.is_file() && is_report(path);
    let replaces = job.force || matches!(target, Target::File(path) if is_own(path));
    write(target, json, replaces, files, go_on)
}

/// Saves the recipe. A resumed run accepts an existing one.
pub(super) fn write_recipe(
    job: &Job,
    target: &Target,
    files: &[FileReport],
    go_on: GoOn<'_>,
) -> Result<(), CleanError> {
    let text = job.recipe.to_toml();
    match target {
        Target::File(path)
            if job.resume
                && path.is_file()
                && fs::read_to_string(path).is_ok_and(|old| old == text) =>
        {
            Ok(())
        }
        _ => write(target, &text, job.force, files, go_on),
    }
}

/// Writes a text that appears under its name when it is complete. While a reader is awaited, `go_on` says
/// whether to continue.
fn write(
    target: &Target,
    text: &str,
    force: bool,
    files: &[FileReport],
    go_on: GoOn<'_>,
) -> Result<(), CleanError> {
    let path = match target {
        Target::Stdout => {
            let written = write_device(io::stdout(), text.as_bytes(), go_on);
            return ui::printed(written);
        }
        Target::File(path) => path,
    };
    let is_taken = |file: &FileReport| {
        let others = [Some(&file.input), Some(&file.output), file.rejects.as_ref()];
        others.into_iter().flatten().any(|other| is_same_file(path, Path::new(other)))
    };
    if files.iter().any(is_taken) {
        let path = path.display();
        let why = format!("cannot write {path}: it is an input or an output of this job");
        return Err(CleanError::Failed(why.into()));
    }
    if force {
        remove_abandoned([path.as_path()]);
    }
    if path.exists() && !path.is_file() {
        let written =
            open_device(path, go_on).and_then(|to| write_device(to, text.as_bytes(), go_on));
        return written.map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => CleanError::Interrupted,
            _ => CleanError::Failed(Problem::with_file("cannot write", path, error)),
        });
    }
    write_file(path, text.as_bytes(), force).map_err(CleanError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn always() -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn existing_files_are_replaced_by_force_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        let target = Target::File(path.clone());
        write(&target, "one", false, &[], &always).unwrap();
        let error = write(&target, "two", false, &[], &always).unwrap_err();
        assert!(
            error.to_string().ends_with("report.json exists\nhint: force replaces it"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        write(&target, "three", true, &[], &always).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        let input = FileReport { input: path.display().to_string(), ..FileReport::default() };
        assert!(write(&target, "four", true, &[input], &always).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_is_written_directly() {
        write(&Target::File("/dev/null".into()), "text", false, &[], &always).unwrap();
        assert!(write(&Target::File("/dev/full".into()), "text", false, &[], &always).is_err());
    }
}
