//! Measures how fast one core finds the ends of records and cleans a file. Prints one row per
//! figure as a table for `bench/README.md`; each answer is checked first.
//!
//! `cargo bench -p manyhands-csv --bench scan`. The data resemble the workloads of the
//! whole-program benchmarks, and are generated in memory.

#![allow(clippy::print_stdout, reason = "a benchmark reports")]

use std::fmt::Write;
use std::time::{Duration, Instant};

use manyhands_csv::report::FileReport;
use manyhands_csv::{
    Cutter, Dialect, HeadFound, Out, Plan, Prepared, Recipe, clean_whole, find_head,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const BYTES: usize = 64 << 20;
/// Number of bytes that are scanned at once, as in the engine: their ends stay in the cache.
const PIECE: usize = 256 << 10;
const RUNS: usize = 9;
const MEMORY: usize = 64 << 20;
const RECIPE: &str = "steps = ['drop_empty_rows', 'normalize_columns', { filter = 'value <= 500' }, \
    { derive = { name = 'normalized_value', expression = 'value / (max(value) + 1e-9)' } }]";

fn main() -> Result<()> {
    println!("| what | reached | to reach |\n|---|---|---|");
    let (plain, quoted) = (Workload::new(false), Workload::new(true));
    scanning("plain", &plain, "≥ 4 GB/s");
    scanning("20 % of rows quoted", &quoted, "≥ 2 GB/s");
    cleaning("plain", &plain)?;
    cleaning("20 % of rows quoted", &quoted)?;
    Ok(())
}

/// A file, and what a correct reader finds in it.
struct Workload {
    bytes: Vec<u8>,
    /// End of each record, including the header.
    ends: Vec<usize>,
    /// Number of rows with a value up to 500.
    kept: u64,
}

impl Workload {
    fn new(quoted: bool) -> Workload {
        const CITIES: [&str; 8] =
            ["Berlin", "São Paulo", "New York", "Tokyo", "Lagos", "Zürich", "Mumbai", "Lima"];
        const NOTES: [&str; 6] =
            ["", "ok", "call back on Monday", "paid by card", "second reminder sent", "-"];
        const QUOTED_NOTES: [&str; 4] = [
            "\"said \"\"later\"\", then left\"",
            "\"line one\nline two\"",
            "\"a, b, and c\"",
            "\"\"",
        ];
        let mut random = Random(42);
        let mut text = String::from("Order ID, Customer Name ,value,Created At,City,Notes\n");
        let mut ends = vec![text.len()];
        let mut kept = 0;
        while text.len() < BYTES {
            let id = ends.len() - 1;
            if random.below(100) < 2 {
                text.push_str(",,,,,\n");
                ends.push(text.len());
                continue;
            }
            let quotes = quoted && random.below(5) == 0;
            let who = random.below(99_999);
            // The sum of two exponentials is the gamma(2, 60) of the workloads.
            let mut cents = ((random.exponential() + random.exponential()) * 6000.0) as u64;
            if random.below(100) < 3 {
                cents *= 50;
            }
            let mut value = format!("{}.{:02}", cents / 100, cents % 100);
            if random.below(100) == 0 {
                value.clear();
            } else {
                kept += u64::from(cents <= 50_000);
            }
            let (year, month, day) =
                (2015 + random.below(11), 1 + random.below(12), 1 + random.below(28));
            let city = random.pick(&CITIES);
            let (name, notes) = if quotes {
                (format!("\"Customer, {who}\""), random.pick(&QUOTED_NOTES))
            } else {
                (format!("Customer {who}"), random.pick(&NOTES))
            };
            writeln!(text, "{id},{name},{value},{year}-{month:02}-{day:02},{city},{notes}")
                .expect("a string takes everything");
            ends.push(text.len());
        }
        Workload { bytes: text.into_bytes(), ends, kept }
    }

    fn gigabytes_per_second(&self, time: Duration) -> f64 {
        self.bytes.len() as f64 / time.as_secs_f64() / 1e9
    }

    /// Number of rows, without the header.
    fn rows(&self) -> u64 {
        self.ends.len() as u64 - 1
    }
}

/// A generator that gives the same numbers each time, on each machine (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn exponential(&mut self) -> f64 {
        -((self.below(1 << 53) + 1) as f64 / (1_u64 << 53) as f64).ln()
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

fn row(what: &str, reached: &str, to_reach: &str) {
    println!("| {what} | {reached} | {to_reach} |");
}

/// The minimum, the median and the maximum of several runs.
fn several(mut run: impl FnMut() -> Duration) -> [Duration; 3] {
    let mut times: Vec<_> = (0..RUNS).map(|_| run()).collect();
    times.sort_unstable();
    [times[0], times[RUNS / 2], times[RUNS - 1]]
}

fn scanning(kind: &str, workload: &Workload, to_reach: &str) {
    check_cuts(workload, PIECE);
    check_cuts(workload, 4093);
    check_records(workload);
    let times = several(|| {
        let start = Instant::now();
        let cut = scan(&workload.bytes, PIECE, |_, _| {});
        let took = start.elapsed();
        assert_eq!(cut, Some(workload.bytes.len()));
        took
    });
    let [most, median, least] = times.map(|time| workload.gigabytes_per_second(time));
    let reached = format!("{median:.1} GB/s ({least:.1} to {most:.1})");
    row(&format!("scanning, {kind}, 64 MiB, one core"), &reached, to_reach);
}

/// Scans all bytes piece by piece. Calls `found` with the end of each piece and the end of the last
/// record before it.
fn scan(bytes: &[u8], piece: usize, mut found: impl FnMut(usize, Option<usize>)) -> Option<usize> {
    let mut cutter = Cutter::new(&Dialect::default());
    let mut to = 0;
    let mut cut = None;
    while to < bytes.len() {
        to = bytes.len().min(to + piece);
        cut = cutter.find(&bytes[..to]);
        found(to, cut);
    }
    cut
}

/// Checks that the scanner knows at the end of each piece whether it is inside quotes.
fn check_cuts(workload: &Workload, piece: usize) {
    let mut ended = 0;
    scan(&workload.bytes, piece, |to, cut| {
        ended += workload.ends[ended..].iter().take_while(|end| **end <= to).count();
        let expected = ended.checked_sub(1).map(|last| workload.ends[last]);
        assert_eq!(cut, expected, "in the first {to} bytes");
    });
}

/// Checks that every record is found: no piece contains the ends of two.
fn check_records(workload: &Workload) {
    let shortest = ",,,,,\n".len();
    let mut found = Vec::new();
    scan(&workload.bytes, shortest, |_, cut| {
        if cut != found.last().copied() {
            found.extend(cut);
        }
    });
    assert!(found == workload.ends, "{} records of {}", found.len(), workload.ends.len());
}

/// Cleans a file with the article's recipe by the engine alone, from memory to memory: scan,
/// compute, write.
fn cleaning(kind: &str, workload: &Workload) -> Result<()> {
    let dialect = Dialect::default();
    let bytes = &workload.bytes;
    let prepared = Prepared::new(Recipe::from_toml(RECIPE)?, 0)?;
    let HeadFound::Head(head) = find_head(&dialect, bytes, 0, true) else {
        return Err("no header".into());
    };
    let plan = Plan::new(&prepared, &dialect, &bytes[head.header.clone()])?;
    let mut out = Vec::new();
    let clean = |out: &mut Vec<u8>| -> Result<FileReport> {
        out.clear();
        let (course, rejects) =
            clean_whole(&plan, bytes, &head, MEMORY, (1, 2), None, Out::Csv(out))?;
        let mut report = FileReport::default();
        assert!(course.report(&plan, &mut report), "rows are not accounted for: {report:?}");
        assert!(rejects.iter().all(manyhands_csv::Rejects::is_empty));
        Ok(report)
    };
    let report = clean(&mut out)?;
    assert_eq!((report.rows_in, report.rows_out), (workload.rows(), workload.kept));
    let written = out.len();
    let mut failed = None;
    let times = several(|| {
        let start = Instant::now();
        failed = clean(&mut out).err().or(failed.take());
        let took = start.elapsed();
        assert_eq!(out.len(), written);
        took
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let [most, median, least] = times.map(|time| workload.rows() as f64 / time.as_secs_f64() / 1e6);
    let gigabytes = workload.gigabytes_per_second(times[1]);
    let reached =
        format!("{median:.1} M rows/s ({least:.1} to {most:.1}), which is {gigabytes:.2} GB/s");
    row(&format!("the article's job, {kind}, memory to memory, one core"), &reached, "–");
    Ok(())
}
