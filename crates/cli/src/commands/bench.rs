//! `manyhands bench`: times the cleaning of one file with more and more workers, and advises a number.

use std::path::Path;
use std::{fs, io};

use manyhands::clean::{Clean, CleanError, FileReport, Output, Problem, have_same_bytes};

use crate::args::BenchArguments;
use crate::interrupt::Interrupt;
use crate::resolve::{Bench, resolve_bench};
use crate::table::table;
use crate::ui::{self, counted};

/// A smaller number of workers is as good if its time is at most this many times the best time.
const AS_GOOD: f64 = 1.05;
/// Smallest speed-up for which several workers are recommended.
const WORTH: f64 = 1.2;

/// A number of workers, and the median seconds of its runs.
type Row = (usize, f64);

pub(crate) fn bench(typed: BenchArguments) -> Result<i32, CleanError> {
    let bench = resolve_bench(typed)?;
    let bytes = fs::metadata(&bench.file)
        .map_err(|error| CleanError::Usage(Problem::from_error(error).in_file(&bench.file)))?
        .len();
    let interrupt = Interrupt::watch().map_err(|error| failed("cannot handle signals", error))?;
    let rows = measure(&bench, &interrupt);
    let done = rows.and_then(|rows| ui::print(&told(&rows, bytes)));
    // Errors are printed while signals are watched: nobody may read them.
    let status = done.as_ref().map_or_else(crate::report_error, |()| 0);
    let is_interrupted = matches!(done, Err(CleanError::Interrupted)) || ui::is_cut_off();
    Ok(if is_interrupted { interrupt.status() } else { status })
}

/// Times each number of workers.
fn measure(bench: &Bench, interrupt: &Interrupt) -> Result<Vec<Row>, CleanError> {
    let place = interrupt.directory(bench.options.temp_dir.as_deref());
    let place = place.map_err(|error| failed("cannot make a temporary directory", error))?;
    let (first, next) = (place.path().join("first"), place.path().join("next"));
    let mut rows: Vec<Row> = Vec::new();
    for workers in tried(bench.most) {
        let mut seconds = Vec::new();
        for _ in 0..bench.runs {
            let output = if rows.is_empty() { &first } else { &next };
            seconds.push(run(bench, workers, output, interrupt)?);
            let same = output == &first
                || have_same_bytes(&first, &next)
                    .map_err(|error| failed("cannot compare", error))?;
            if !same {
                return Err(CleanError::Failed(
                    format!("{} made another output than one", counted(workers as u64, "worker"))
                        .into(),
                ));
            }
        }
        rows.push((workers, median(&mut seconds)));
    }
    Ok(rows)
}

fn failed(what: &str, error: io::Error) -> CleanError {
    CleanError::Failed(Problem::new(what).because(error))
}

/// The numbers of workers to try: each up to eight, then doubled, and the largest.
fn tried(most: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(16_usize), |number| number.checked_mul(2));
    let mut numbers: Vec<usize> = (1..=8).chain(doubled.take_while(|&n| n < most)).collect();
    numbers.retain(|&number| number < most);
    numbers.push(most);
    numbers
}

/// Cleans the file once; returns the seconds.
fn run(
    bench: &Bench,
    workers: usize,
    output: &Path,
    interrupt: &Interrupt,
) -> Result<f64, CleanError> {
    let mut options = bench.options.clone();
    options.workers = workers;
    options.force = true;
    let job = Clean::new([&bench.file], Output::File(output.to_owned()));
    let report = job.recipe(bench.recipe.clone()).options(options).run(|_| interrupt.go_on())?;
    match report.files.iter().find_map(FileReport::problem) {
        Some(problem) => Err(CleanError::Failed(problem)),
        None => Ok(report.seconds),
    }
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.len() / 2;
    if seconds.len() % 2 == 1 {
        seconds[middle]
    } else {
        (seconds[middle - 1] + seconds[middle]) / 2.0
    }
}

/// The table and the advice.
fn told(rows: &[Row], bytes: u64) -> String {
    let one = rows[0].1;
    let head = ["workers", "seconds", "MB/s", "speed-up"].map(str::to_owned).to_vec();
    let lines = rows.iter().map(|&(workers, seconds)| {
        vec![
            workers.to_string(),
            format!("{seconds:.3}"),
            format!("{:.0}", bytes as f64 / 1e6 / seconds),
            format!("{:.2}", one / seconds),
        ]
    });
    let rows_told: Vec<Vec<String>> = std::iter::once(head).chain(lines).collect();
    table(&rows_told, 0, ui::width(io::stdout())) + &advice(rows) + "\n"
}

fn advice(rows: &[Row]) -> String {
    let one = rows[0].1;
    let best = rows.iter().map(|row| row.1).fold(f64::INFINITY, f64::min);
    let &(workers, seconds) =
        rows.iter().find(|row| row.1 <= best * AS_GOOD).expect("the best is one of them");
    if rows.len() == 1 {
        "one worker was tried: nothing follows".to_owned()
    } else if one / seconds < WORTH {
        "--workers 1: more gain next to nothing, their overhead outweighs the work".to_owned()
    } else if workers == rows[rows.len() - 1].0 {
        format!("--workers {workers}: each worker still gains")
    } else {
        format!("--workers {workers}: more gain next to nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_workers_is_tried_up_to_eight() {
        assert_eq!(tried(1), [1]);
        assert_eq!(tried(3), [1, 2, 3]);
        assert_eq!(tried(8), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(tried(40), [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 40]);
        assert!(tried(usize::MAX).len() < 100);
    }

    #[test]
    fn the_advice_follows_from_the_times() {
        assert_eq!(advice(&[(1, 1.0)]), "one worker was tried: nothing follows");
        assert!(advice(&[(1, 1.0), (2, 0.9)]).starts_with("--workers 1: more gain"));
        assert!(advice(&[(1, 1.0), (2, 0.5)]).starts_with("--workers 2: each"));
        assert!(advice(&[(1, 1.0), (2, 0.5), (3, 0.49)]).starts_with("--workers 2: more"));
    }

    #[test]
    fn the_table_has_speeds_against_one_worker() {
        assert_eq!(
            told(&[(1, 2.0), (2, 1.0)], 100_000_000),
            "workers  seconds  MB/s  speed-up\n1        2.000    50    1.00\n2        1.000    100   2.00\n\
             --workers 2: each worker still gains\n"
        );
    }

    #[test]
    fn the_median_is_between_two() {
        assert_eq!(median(&mut [3.0, 1.0]), 2.0);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
    }
}
