//! `manyhands clean`: runs the job.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use manyhands::clean::recipe::{Step, Type};
use manyhands::clean::{CleanError, Hint, Problem, Progress, shown};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Engine;
use crate::args::CleanArguments;
use crate::collisions;
use crate::commands::dry_run::dry_run;
use crate::commands::written::{breaks_strict, write_recipe, write_report};
use crate::hints::{flag, told};
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::resolve::{Job, resolve};
use crate::summary;
use crate::ui::{self, counted, grouped};

pub(crate) fn clean(typed: CleanArguments, engine: Option<&Engine<'_>>) -> Result<i32, CleanError> {
    let mut job = resolve(typed)?;
    collisions::check(&job)?;
    if job.dry_run && !job.infer {
        // Signals end this as they end any program.
        return dry_run(&job, BTreeMap::new(), &|| ControlFlow::Continue(()));
    }
    let interrupt = Interrupt::watch().map_err(|error| {
        CleanError::Failed(Problem::new("cannot handle signals").because(error))
    })?;
    let mut last = Progress::default();
    let types = match job.infer {
        true => infer(&mut job, &interrupt),
        false => Ok(BTreeMap::new()),
    };
    let done = types.and_then(|types| match job.dry_run {
        true => dry_run(&job, types, &|| interrupt.go_on()),
        false => run(&job, engine, &interrupt, types, &mut last),
    });
    let status = match done {
        Err(CleanError::Interrupted) => {
            ui::error(told(&interrupted(&job, last)));
            interrupt.status()
        }
        // Printed while signals are watched: nobody may read it.
        Err(error) => crate::report_error(&error),
        Ok(status) => status,
    };
    Ok(if ui::is_cut_off() { interrupt.status() } else { status })
}

/// The message for an interruption, with the number of completed files.
fn interrupted(job: &Job, last: Progress) -> Problem {
    let complete = last.files_done - last.files_failed;
    if complete == 0 || !job.is_resumable {
        return CleanError::Interrupted.problem();
    }
    let files = counted(last.files as u64, "file");
    Problem::new(format!("interrupted; {} of {files} are complete", grouped(complete as u64)))
        .hint(Hint::words("the same command with ").and_on("resume").and(" goes on with the rest"))
}

/// Adds a step with the types that are proposed for columns without one, prints it, and returns the types.
fn infer(job: &mut Job, interrupt: &Interrupt) -> Result<BTreeMap<String, Type>, CleanError> {
    // Errors that can be found before any work must not be found after everything was read.
    job.clean.files()?;
    let mut bar = Bar::new(!job.quiet);
    let types = job.clean.propose_types(|progress| {
        bar.show(progress);
        interrupt.go_on()
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

/// A name as TOML can parse it, in one line that is safe for a terminal.
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
    last: &mut Progress,
) -> Result<i32, CleanError> {
    let mut bar = Bar::new(!job.quiet);
    let mut observe = |progress: &Progress| {
        *last = *progress;
        bar.show(progress);
        interrupt.go_on()
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
    let mut report = result?;
    report.types = types;
    // A file that the closed pipe ended has not failed. Files that failed otherwise are errors, even if nobody reads
    // the output any more.
    let failed = report.files.iter().any(summary::has_failed);
    if report.reader_closed || job.to_stdout && is_stdout_closed() {
        summary::tell_failed(&report, job.verbose);
    } else {
        summary::tell(&report, job.quiet, job.verbose);
    }
    if let Some(target) = &job.save_recipe {
        write_recipe(job, target, &report.files, &|| interrupt.go_on())?;
    }
    if let Some(target) = &job.report {
        let json = format!("{:#}\n", report.to_json(flag));
        write_report(job, target, &json, &report.files, &|| interrupt.go_on())?;
    }
    Ok(i32::from(failed || breaks_strict(job, &report)))
}

/// Returns whether standard output is a pipe without a reader.
fn is_stdout_closed() -> bool {
    let stdout = io::stdout();
    let mut descriptors = [PollFd::new(&stdout, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut descriptors, Some(&now)).is_ok()
        && descriptors[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
