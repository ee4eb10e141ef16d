//! `manyhands clean`: does the job.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use manyhands::clean::recipe::{Step, Type};
use manyhands::clean::{
    CleanError, FileReport, Hint, Problem, Progress, Report, directory_of, place_of, shown,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Engine;
use crate::args::CleanArguments;
use crate::commands::dry_run::dry_run;
use crate::hints::flag;
use crate::interrupt::Interrupt;
use crate::meaning::{Job, is_same_file, understand};
use crate::progress::Bar;
use crate::summary;
use crate::ui::{self, counted};
use crate::values::Target;

pub(crate) fn clean(typed: CleanArguments, engine: Option<&Engine<'_>>) -> Result<i32, CleanError> {
    let mut job = understand(typed)?;
    if job.dry_run && !job.infer {
        return dry_run(&job, BTreeMap::new());
    }
    let interrupt = Interrupt::watch()
        .map_err(|error| CleanError::Failed(format!("cannot handle signals: {error}").into()))?;
    let types = if job.infer { infer(&mut job, &interrupt)? } else { BTreeMap::new() };
    if job.dry_run {
        return dry_run(&job, types);
    }
    run(&job, engine, &interrupt, types)
}

/// Adds a step with the types that are proposed for columns without, tells of it, and gives them.
fn infer(job: &mut Job, interrupt: &Interrupt) -> Result<BTreeMap<String, Type>, CleanError> {
    // What can be found wrong before any work is not to be found after all was read.
    job.clean.files()?;
    let mut bar = Bar::new(!job.quiet);
    let types = job.clean.propose_types(|progress| {
        bar.show(progress);
        if interrupt.pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(bar);
    let types = types?;
    if types.is_empty() {
        return Ok(types);
    }
    if !job.quiet {
        let types = types.iter().map(|(name, kind)| format!("{} = \"{kind}\"", toml_key(name)));
        let types = types.collect::<Vec<_>>().join(", ");
        ui::say(format_args!("steps = [{{ types = {{ {types} }} }}]"));
    }
    job.recipe.steps.push(Step::Types(types.clone()));
    job.clean = job.clean.clone().recipe(job.recipe.clone());
    Ok(types)
}

/// A name as TOML can read it, in one line that a terminal may be sent.
fn toml_key(name: &str) -> String {
    let mut key = String::from('"');
    for c in name.chars() {
        match c {
            '"' | '\\' => key.extend(['\\', c]),
            c if shown::line(c.encode_utf8(&mut [0; 4])).starts_with('\\') => {
                key += &format!("\\u{:04x}", u32::from(c));
            }
            c => key.push(c),
        }
    }
    key + "\""
}

fn run(
    job: &Job,
    engine: Option<&Engine<'_>>,
    interrupt: &Interrupt,
    types: BTreeMap<String, Type>,
) -> Result<i32, CleanError> {
    let mut bar = Bar::new(!job.quiet);
    let mut observe = |progress: &Progress| {
        bar.show(progress);
        if interrupt.pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let result = match (&job.engine, engine) {
        (None, _) => job.clean.run(observe),
        (Some(url), Some(engine)) => engine(url, &job.clean, &mut observe),
        (Some(_), None) => Err(CleanError::Usage(
            Problem::new("this command reaches no clusters")
                .hint(Hint::words("that of the Python package does: pip install manyhands")),
        )),
    };
    drop(bar);
    // A reader that has seen enough ends the job, and that is no failure.
    let closed = job.to_stdout && is_stdout_closed();
    let mut report = match result {
        Err(CleanError::Failed(_)) if closed => return Ok(0),
        result => result?,
    };
    report.types = types;
    let failed = !closed && report.files.iter().any(|file| file.error.is_some());
    if !closed {
        summary::tell(&report, job.quiet, job.verbose);
    }
    if let Some(target) = &job.save_recipe {
        write(target, &job.recipe.to_toml(), job.force, &report.files)?;
    }
    if let Some(target) = &job.report {
        let json = format!("{:#}\n", report.to_json(flag));
        write(target, &json, job.force, &report.files)?;
    }
    Ok(i32::from(failed || breaks_strict(job, &report)))
}

/// Whether records were rejected where none may be; tells of it.
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

/// Whether standard output is a pipe that nobody reads any more.
fn is_stdout_closed() -> bool {
    let stdout = io::stdout();
    let mut descriptors = [PollFd::new(&stdout, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut descriptors, Some(&now)).is_ok()
        && descriptors[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Writes a text that appears under its name only when it is complete.
pub(super) fn write(
    target: &Target,
    text: &str,
    force: bool,
    files: &[FileReport],
) -> Result<(), CleanError> {
    let path = match target {
        Target::Stdout => return ui::print(text),
        Target::File(path) => path,
    };
    let failed =
        |why: &str| CleanError::Failed(format!("cannot write {}: {why}", path.display()).into());
    let is_taken = |file: &FileReport| {
        let others = [Some(&file.input), Some(&file.output), file.rejects.as_ref()];
        others.into_iter().flatten().any(|other| is_same_file(path, Path::new(other)))
    };
    if files.iter().any(is_taken) {
        return Err(failed("it is an input or an output of this job"));
    }
    write_whole(path, text, force).map_err(|error| failed(&error.to_string()))
}

fn write_whole(path: &Path, text: &str, force: bool) -> io::Result<()> {
    let is_device = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    if is_device {
        return OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes());
    }
    // As any file that a program makes; the mask of the process takes from it.
    let permissions = Permissions::from_mode(0o666);
    let mut builder = tempfile::Builder::new();
    let place = place_of(path)?;
    let mut file = builder.permissions(permissions).tempfile_in(directory_of(&place))?;
    file.write_all(text.as_bytes())?;
    let result = if force { file.persist(place) } else { file.persist_noclobber(place) };
    result.map(drop).map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => io::Error::other("it exists; --force replaces it"),
        _ => error.error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_replaced_by_force_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        let target = Target::File(path.clone());
        write(&target, "one", false, &[]).unwrap();
        let error = write(&target, "two", false, &[]).unwrap_err();
        assert!(
            error.to_string().ends_with("report.json: it exists; --force replaces it"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        write(&target, "three", true, &[]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        let input = FileReport { input: path.display().to_string(), ..FileReport::default() };
        assert!(write(&target, "four", true, &[input]).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_is_written_directly() {
        write(&Target::File("/dev/null".into()), "text", false, &[]).unwrap();
        assert!(write(&Target::File("/dev/full".into()), "text", false, &[]).is_err());
    }
}
