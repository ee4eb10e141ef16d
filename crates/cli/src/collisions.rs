//! Finds closed streams that a job uses, and streams that go into a file which the job reads.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use manyhands::clean::{CleanError, Hint, Problem, goes_into};
use rustix::fs::FileType;

use crate::resolve::Job;
use crate::streams::{check_input, check_output};

/// Checks that the streams that a job uses are open, and that their output does not go into a file that the
/// job reads.
///
/// # Errors
/// `Failed` for a closed stream, `Usage` for a file that is read and written.
pub(crate) fn check(job: &Job) -> Result<(), CleanError> {
    if job.uses_stdout {
        check_output()?;
    }
    if job.uses_stdin {
        check_input()?;
    }
    if job.uses_stdout {
        check_inputs(job, io::stdout(), "standard output")?;
    }
    check_inputs(job, io::stderr(), "standard error")
}

fn check_inputs(job: &Job, stream: impl AsFd, name: &str) -> Result<(), CleanError> {
    let file = rustix::fs::fstat(&stream);
    if !file.is_ok_and(|file| FileType::from_raw_mode(file.st_mode).is_file()) {
        return Ok(());
    }
    let inputs = job.clean.files()?.into_iter().map(|(input, _)| input);
    match inputs.into_iter().find(|input| goes_into(&stream, Path::new(input))) {
        None => Ok(()),
        Some(input) => {
            let problem =
                format!("the input {} is also the file that {name} is written to", input.display());
            let hint = Hint::words("send the output to another file");
            Err(CleanError::Usage(Problem::new(problem).hint(hint)))
        }
    }
}
