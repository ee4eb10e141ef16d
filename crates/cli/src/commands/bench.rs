//! `manyhands bench`: the clean job of one file with more and more workers, and what follows.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use manyhands::clean::{Clean, CleanError, Output};

use crate::args::BenchArguments;
use crate::interrupt::Interrupt;
use crate::meaning::{Bench, understand_bench};
use crate::table::table;
use crate::ui::{self, counted};

/// Fewer workers are as good if they take at most so many times the best time.
const AS_GOOD: f64 = 1.05;
/// Several workers are worth it from this speed-up on.
const WORTH: f64 = 1.2;

/// A number of workers, and the median seconds of its runs.
type Row = (usize, f64);

pub(crate) fn bench(typed: BenchArguments) -> Result<i32, CleanError> {
    let bench = understand_bench(typed)?;
    let failed =
        |what: &str, error: io::Error| CleanError::Failed(format!("{what}: {error}").into());
    let bytes = fs::metadata(&bench.file)
        .map_err(|error| CleanError::Usage(format!("{}: {error}", bench.file.display()).into()))?
        .len();
    let interrupt = Interrupt::watch().map_err(|error| failed("cannot handle signals", error))?;
    let place = interrupt.directory(bench.options.temp_dir.as_deref());
    let place = place.map_err(|error| failed("cannot make a temporary directory", error))?;
    let (first, next) = (place.path().join("first"), place.path().join("next"));
    let mut rows: Vec<Row> = Vec::new();
    for workers in tried(bench.most) {
        let mut seconds = Vec::new();
        for _ in 0..bench.runs {
            let output = if rows.is_empty() { &first } else { &next };
            seconds.push(run(&bench, workers, output, &interrupt)?);
            let same = output == &first
                || is_same(&first, &next).map_err(|error| failed("cannot compare", error))?;
            if !same {
                return Err(CleanError::Failed(
                    format!("{} made another output than one", counted(workers as u64, "worker"))
                        .into(),
                ));
            }
        }
        rows.push((workers, median(&mut seconds)));
    }
    ui::print(&told(&rows, bytes))?;
    Ok(0)
}

/// The numbers of workers: each up to eight, then doubled, and the most.
fn tried(most: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(16_usize), |number| number.checked_mul(2));
    let mut numbers: Vec<usize> = (1..=8).chain(doubled.take_while(|&n| n < most)).collect();
    numbers.retain(|&number| number < most);
    numbers.push(most);
    numbers
}

/// Cleans the file once; gives the seconds.
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
    match report.files.iter().find_map(|file| file.error.as_ref()) {
        Some(error) => Err(CleanError::Failed(format!("{}: {error}", bench.file.display()).into())),
        None => Ok(report.seconds),
    }
}

fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let open = |path| File::open(path).map(|file| BufReader::with_capacity(1 << 20, file));
    let (mut one, mut other) = (open(one)?, open(other)?);
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = one.read(&mut left)?;
        if read == 0 {
            return Ok(other.read(&mut right)? == 0);
        }
        match other.read_exact(&mut right[..read]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result?,
        }
        if left[..read] != right[..read] {
            return Ok(false);
        }
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

/// The table, and the advice.
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

    #[test]
    fn files_are_the_same_if_every_byte_is() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = place.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let long = vec![7; 200_000];
        let one = file("one", &long);
        assert!(is_same(&one, &file("same", &long)).unwrap());
        assert!(!is_same(&one, &file("shorter", &long[1..])).unwrap());
        assert!(!is_same(&file("short", &long[1..]), &one).unwrap());
        let mut other = long;
        other[199_999] = 8;
        assert!(!is_same(&one, &file("other", &other)).unwrap());
    }
}
