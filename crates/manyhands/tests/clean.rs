//! The clean job with real workers: the output is the same bytes whatever their number, and
//! whichever of them die.

#[path = "../../pool/tests/support/mod.rs"]
mod support;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use manyhands::clean::{
    Clean, CleanError, FileReport, Headers, Options, Output, Recipe, RemoteWorkers, Report,
    clean_chunks,
};
use rustix::process::{Pid, Signal, kill_process};
use support::{children, is_alive};
use tempfile::TempDir;

fn main() -> ExitCode {
    manyhands::init();
    support::run(tests![
        any_number_of_workers_and_any_chunk_size_give_the_same_bytes,
        workers_killed_throughout_a_big_file_change_nothing,
        workers_killed_among_small_files_change_nothing,
        a_file_that_kills_its_workers_fails_and_the_others_are_cleaned,
        a_job_that_its_observer_stops_leaves_nothing,
        a_file_that_changes_while_it_is_read_fails,
        files_of_one_output_are_in_order_and_one_that_fails_is_not_in_it,
        the_header_of_one_output_is_that_of_its_first_good_file,
        files_with_different_headers_become_one_output_whatever_the_chunks_and_workers,
        files_without_headers_are_joined_at_line_ends,
        an_empty_input_has_an_empty_output,
        rejects_of_one_output_are_in_one_file_in_order,
        remote_workers_make_the_same_bytes_in_any_order_of_completion,
        a_part_that_no_remote_worker_completes_fails_only_its_file,
        a_compressed_file_is_not_cut_for_remote_workers,
        progress_of_a_compressed_file_ends_at_its_compressed_size,
    ])
}

const ARTICLE: &str = r#"steps = [
  "drop_empty_rows",
  "normalize_columns",
  { filter = "value <= 500" },
  { derive = { name = "normalized_value", expression = "value / (max(value) + 1e-9)" } },
]"#;

/// A recipe with everything that needs passes, rejects and values from rows above.
const THOROUGH: &str = r#"
on_bad = "reject"
on_ragged = "pad"
steps = [
  "drop_empty_rows",
  { trim = "all" },
  { fill = { column = "City", method = "ffill" } },
  { types = { value = "number" } },
  { outliers = { column = "value", iqr = 3 } },
  { fill = { column = "value", method = "median" } },
  { dedupe = ["Order ID"] },
  { derive = { name = "share", expression = "round(value / sum(value) * 1e6, 3)" } },
  { replace = { column = "Notes", pattern = '\s+', text = " " } },
]"#;

/// Rows with quoted commas, quotes and line ends, blanks, bad numbers, short and long records.
fn dirty_rows(rows: usize) -> Vec<u8> {
    let mut text = b"Order ID, Customer Name ,value,City,Notes\n".to_vec();
    for row in 0..rows {
        let city = ["Berlin", "", "S\u{e3}o Paulo", ""][row * 7 / 3 % 4];
        let line = match row % 17 {
            3 => ",,,,\n".to_owned(),
            5 => format!(
                "{row},\"Customer, {row}\",{}.5,{city},\"said \"\"later\"\", then\nleft\"\r\n",
                row % 900
            ),
            7 => format!("{row},Customer,,{city},  two  spaces \n"),
            11 => format!("{},again,{},{city},\"a\n\n,b\"\n", row - 11, row % 50),
            13 if row % 3 == 0 => format!("{row},bad,not a number,{city},\n"),
            13 => format!("{row},short,1\n"),
            14 => format!("{row},long,1,{city},x,y\n\n"),
            _ => format!("{row:08},Customer {row},{}.25,{city},ok\n", row * 31 % 800),
        };
        text.extend(line.bytes());
    }
    text
}

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Names of the files in a directory, without the job's own records.
fn outputs(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != ".manyhands.jsonl").collect();
    names.sort();
    names
}

fn options(workers: usize, chunk_bytes: usize) -> Options {
    let mut options = Options::default();
    (options.workers, options.chunk_bytes, options.force) = (workers, chunk_bytes, true);
    options
}

fn job(input: &Path, output: &Path, recipe: &str, options: Options) -> Clean {
    let recipe = Recipe::from_toml(recipe).unwrap();
    Clean::new([input], Output::File(output.to_owned())).recipe(recipe).options(options)
}

fn workers() -> Vec<u32> {
    children().into_iter().filter(|pid| is_alive(*pid)).collect()
}

fn on(_: &manyhands::clean::Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The output, the rejects, and the report without the output's name.
fn results(output: &Path, report: &Report) -> (Vec<u8>, Vec<u8>, FileReport) {
    let mut file = report.files[0].clone();
    assert_eq!(file.error, None);
    let rejects = file.rejects.take().map_or(Vec::new(), |path| fs::read(path).unwrap());
    file.output = String::new();
    (fs::read(output).unwrap(), rejects, file)
}

fn any_number_of_workers_and_any_chunk_size_give_the_same_bytes() {
    let place = Place::new();
    let input = place.write("in.csv", &dirty_rows(600));
    for recipe in [ARTICLE, THOROUGH] {
        let output = place.path("out.csv");
        let whole = job(&input, &output, recipe, options(1, 1 << 20)).run(on);
        if recipe == ARTICLE {
            assert!(whole.is_ok());
        }
        let expected = results(&output, &whole.unwrap());
        assert!(expected.2.rows_out > 100, "{:?}", expected.2);
        for (workers, chunk_bytes) in [(1, 100), (2, 1000), (3, 333), (5, 64), (8, 4096), (2, 7)] {
            let mut options = options(workers, chunk_bytes);
            options.memory = 5000;
            let report = job(&input, &output, recipe, options).run(on).unwrap();
            assert!(
                results(&output, &report) == expected,
                "{workers} workers, chunks of {chunk_bytes}"
            );
        }
    }
}

/// Number of workers that a [`Killer`] kills: one fewer than a piece of work may lose before its
/// file fails.
const KILLS: usize = 4;

/// Kills a worker each time something was finished since the last kill, [`KILLS`] of them per job.
/// So every piece of work is completed in the end, even if it is hit by all of them.
struct Killer {
    done: (u64, usize),
    killed: usize,
}

impl Killer {
    fn new() -> Killer {
        Killer { done: (0, 0), killed: 0 }
    }

    fn look(&mut self, progress: &manyhands::clean::Progress) -> ControlFlow<()> {
        let done = (progress.bytes_done, progress.files_done);
        if done == self.done || self.killed == KILLS {
            return ControlFlow::Continue(());
        }
        let workers = workers();
        if let Some(pid) = workers.get(self.killed % workers.len().max(1)) {
            let pid = Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
            if kill_process(pid, Signal::KILL).is_ok() {
                (self.done, self.killed) = (done, self.killed + 1);
            }
        }
        ControlFlow::Continue(())
    }
}

fn workers_killed_throughout_a_big_file_change_nothing() {
    let place = Place::new();
    let block = dirty_rows(50_000);
    let header = block.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut bytes = block[..header].to_vec();
    while bytes.len() < 20_000_000 {
        bytes.extend_from_slice(&block[header..]);
    }
    let input = place.write("in.csv", &bytes);
    drop(bytes);
    let recipe = ARTICLE.replace("steps = [", "on_bad = 'null'\non_ragged = 'pad'\nsteps = [");
    let output = place.path("out.csv");
    let calm = job(&input, &output, &recipe, options(2, 1 << 18)).run(on).unwrap();
    let expected = results(&output, &calm);
    let mut killed = 0;
    for round in 1..=15 {
        let mut killer = Killer::new();
        let report =
            job(&input, &output, &recipe, options(2, 1 << 18)).run(|p| killer.look(p)).unwrap();
        assert!(results(&output, &report) == expected, "the bytes differ in round {round}");
        killed += killer.killed;
    }
    assert!(killed >= 50, "only {killed} workers were killed");
}

fn workers_killed_among_small_files_change_nothing() {
    let place = Place::new();
    let inputs: Vec<PathBuf> = (0..60)
        .map(|number| place.write(&format!("{number:02}.csv"), &dirty_rows(500 + number)))
        .collect();
    let recipe = Recipe::from_toml(THOROUGH).unwrap();
    let clean =
        |directory: &Path,
         observe: &mut dyn FnMut(&manyhands::clean::Progress) -> ControlFlow<()>| {
            let output = Output::Directory(directory.to_owned(), "{name}".to_owned());
            let clean = Clean::new(inputs.clone(), output)
                .recipe(recipe.clone())
                .options(options(2, 1 << 20));
            let report = clean.run(observe).unwrap();
            assert!(report.files.iter().all(|file| file.error.is_none()), "{:?}", report.files);
        };
    let calm = place.path("calm");
    clean(&calm, &mut on);
    let names = outputs(&calm);
    let mut killed = 0;
    for round in 1..=5 {
        let disturbed = place.path(&format!("disturbed{round}"));
        let mut killer = Killer::new();
        clean(&disturbed, &mut |progress| killer.look(progress));
        killed += killer.killed;
        for name in &names {
            assert!(
                fs::read(calm.join(name)).unwrap() == fs::read(disturbed.join(name)).unwrap(),
                "{name:?} in round {round}"
            );
        }
        assert_eq!(outputs(&disturbed), names);
    }
    assert!(killed >= 15, "only {killed} workers were killed");
}

fn a_file_that_kills_its_workers_fails_and_the_others_are_cleaned() {
    let place = Place::new();
    let inputs =
        [place.write("a.csv", b"value\n1\n"), place.write("b.csv", &dirty_rows(2_000_000))];
    let output = Output::Directory(place.path("out"), "{name}".to_owned());
    let recipe = Recipe::from_toml("steps = [{ filter = 'value <= 500' }]").unwrap();
    // Once the small file is done, no worker lives long enough to clean the other one, which is a
    // single chunk.
    let (killing, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let killer = {
        let (killing, stop) = (Arc::clone(&killing), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for pid in workers().into_iter().filter(|_| killing.load(Ordering::Relaxed)) {
                    let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
                }
            }
        })
    };
    let clean = Clean::new(inputs, output).recipe(recipe).options(options(2, 1 << 28));
    let report = clean.run(|progress| {
        killing.store(progress.files_done == 1, Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    stop.store(true, Ordering::Relaxed);
    killer.join().unwrap();
    let report = report.unwrap();
    assert_eq!(report.files[0].error, None);
    let error = report.files[1].error.as_ref().expect("its workers were killed");
    // The workers may have been killed before they were ready.
    let is_expected = error.contains("was tried 5 times") || error.contains("cannot be started");
    assert!(is_expected && error.contains("signal 9"), "{error}");
    assert_eq!(outputs(&place.path("out")), ["a.csv"]);
}

fn a_job_that_its_observer_stops_leaves_nothing() {
    let place = Place::new();
    let input = place.write("in.csv", &dirty_rows(100_000));
    let clean = job(&input, &place.path("out.csv"), ARTICLE, options(2, 1 << 16));
    let stopped = clean.run(|progress| match progress.rows {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    assert!(matches!(stopped, Err(CleanError::Interrupted)));
    assert_eq!(place.names(), ["in.csv"]);
    assert_eq!(workers(), [0; 0]);
}

fn a_file_that_changes_while_it_is_read_fails() {
    let place = Place::new();
    let input = place.write("in.csv", &dirty_rows(20_000));
    let clean = job(&input, &place.path("out.csv"), ARTICLE, options(2, 1 << 12));
    let mut changed = false;
    let report = clean.run(|progress| {
        if progress.bytes_done > 0 && !changed {
            changed = true;
            fs::write(&input, dirty_rows(10)).unwrap();
        }
        ControlFlow::Continue(())
    });
    let error = report.unwrap().files[0].error.clone();
    assert_eq!(error.as_deref(), Some("it was changed while it was read"));
    assert_eq!(place.names(), ["in.csv"]);
}

fn skipping(mut options: Options) -> Options {
    options.skip_failed = true;
    options
}

fn files_of_one_output_are_in_order_and_one_that_fails_is_not_in_it() {
    let place = Place::new();
    let big: String = (0..2000).map(|row| format!("{row},big\n")).collect();
    let inputs = [
        place.write("1.csv", b"value,name\n1,one"),
        place.write("2.csv", format!("value,name\n{big}").as_bytes()),
        place.write("3.csv", b"other\n1\n"),
        place.write("4.csv", format!("value,name\n{big}not a number,bad\n").as_bytes()),
        place.write("5.csv", b"value,name\r\n5,five\r\n"),
    ];
    let output = place.path("all.csv");
    let recipe = "on_bad = 'fail'\nsteps = [{ types = { value = 'number' } }]";
    let clean = Clean::new(inputs, Output::ConcatenatedFile(output.clone()))
        .recipe(Recipe::from_toml(recipe).unwrap())
        .options(skipping(options(3, 500)));
    let report = clean.run(on).unwrap();
    let errors: Vec<bool> = report.files.iter().map(|file| file.error.is_some()).collect();
    assert_eq!(errors, [false, false, true, true, false], "{:?}", report.files);
    let expected = format!("value,name\n1,one\n{big}5,five\n");
    assert_eq!(fs::read_to_string(&output).unwrap(), expected);
}

fn the_header_of_one_output_is_that_of_its_first_good_file() {
    let place = Place::new();
    let rows: String = (0..200).map(|row| format!("{row}\n")).collect();
    let inputs = [
        place.write("1.csv", b""),
        place.write("2.csv", format!("bad\n{rows}x\n").as_bytes()),
        place.write("3.csv", format!("value\n{rows}").as_bytes()),
        place.write("4.csv", b"value\n7\n"),
    ];
    let output = place.path("all.csv");
    let recipe = r#"
        on_bad = "fail"
        steps = [{ filter = "CASE WHEN has_column('bad') THEN bad >= 0 ELSE TRUE END" }]
    "#;
    let clean = Clean::new(inputs, Output::ConcatenatedFile(output.clone()))
        .recipe(Recipe::from_toml(recipe).unwrap())
        .options(skipping(options(2, 100)));
    let report = clean.run(on).unwrap();
    let errors: Vec<bool> = report.files.iter().map(|file| file.error.is_some()).collect();
    assert_eq!(errors, [false, true, false, false], "{:?}", report.files);
    assert_eq!(fs::read_to_string(&output).unwrap(), format!("value\n{rows}7\n"));
}

fn files_without_headers_are_joined_at_line_ends() {
    let place = Place::new();
    let inputs = [
        place.write("1.csv", b"1,2"),
        place.write("2.csv", b""),
        place.write("3.csv", b"3,4\n"),
        place.write("4.csv", b"5,6"),
    ];
    let output = place.path("all.csv");
    let mut options = options(2, 1 << 20);
    options.has_header = false;
    let clean = Clean::new(inputs, Output::ConcatenatedFile(output.clone())).options(options);
    let report = clean.run(on).unwrap();
    assert!(report.files.iter().all(|file| file.error.is_none()), "{:?}", report.files);
    assert_eq!(fs::read_to_string(&output).unwrap(), "1,2\n3,4\n5,6");
}

fn an_empty_input_has_an_empty_output() {
    let place = Place::new();
    let blank = "\n".repeat(1000);
    for (name, bytes, chunk_bytes) in [("a.csv", "", 1 << 20), ("b.csv", &blank[..], 10)] {
        let input = place.write(name, bytes.as_bytes());
        let output = place.path("out.csv");
        let report = job(&input, &output, ARTICLE, options(2, chunk_bytes)).run(on).unwrap();
        assert_eq!(report.files[0].error, None);
        assert_eq!(report.files[0].notes[0].text, "the file is empty");
        assert_eq!(fs::read(&output).unwrap(), b"");
    }
}

fn rejects_of_one_output_are_in_one_file_in_order() {
    let place = Place::new();
    fs::create_dir(place.path("d")).unwrap();
    let inputs = [
        place.write("in.csv", b"value\n1\nx\n"),
        place.write("good.csv", b"value\n2\n"),
        place.write("d/in.csv", b"value\ny\n3\n"),
    ];
    let output = place.path("all.csv");
    let recipe = Recipe::from_toml("steps = [{ types = { value = 'number' } }]").unwrap();
    let clean = Clean::new(inputs, Output::ConcatenatedFile(output.clone()))
        .recipe(recipe)
        .options(options(2, 1 << 20));
    let report = clean.run(on).unwrap();
    assert_eq!(fs::read_to_string(&output).unwrap(), "value\n1\n2\n3\n");
    let rejects: Vec<Option<&str>> =
        report.files.iter().map(|file| file.rejects.as_deref()).collect();
    let all = place.path("all.csv.rejects.csv");
    assert_eq!(rejects, [all.to_str(), None, all.to_str()]);
    let text = fs::read_to_string(all).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert_eq!(text.matches("file,line,").count(), 1);
    assert!(text.find("not a number,x\n") < text.find("not a number,y\n"));
}

/// Remote workers: they know only what the job sends them, do their work when they are asked, the
/// last one first, and lose some of it.
#[derive(Default)]
struct Elsewhere {
    count: usize,
    work: Vec<(usize, Vec<u8>)>,
    /// Work that contains these bytes is lost.
    loses: Option<&'static [u8]>,
    done: usize,
}

impl RemoteWorkers for Elsewhere {
    fn count(&self) -> usize {
        self.count
    }

    fn submit(&mut self, number: usize, work: Vec<u8>) -> Result<(), String> {
        self.work.push((number, work));
        Ok(())
    }

    fn next(&mut self, _: Duration) -> Option<(usize, Result<Vec<u8>, String>)> {
        let (number, work) = self.work.pop()?;
        self.done += 1;
        if self.loses.is_some_and(|bytes| work.windows(bytes.len()).any(|some| some == bytes)) {
            return Some((number, Err("the worker died".to_owned())));
        }
        Some((number, clean_chunks(&work)))
    }
}

fn remote_workers_make_the_same_bytes_in_any_order_of_completion() {
    let place = Place::new();
    let input = place.write("in.csv", &dirty_rows(600));
    let output = place.path("out.csv");
    for recipe in [ARTICLE, THOROUGH] {
        let here = job(&input, &output, recipe, options(2, 1 << 20)).run(on).unwrap();
        let expected = results(&output, &here);
        for (count, chunk_bytes) in [(1, 64), (3, 333), (2, 1 << 20)] {
            let mut elsewhere = Elsewhere { count, ..Elsewhere::default() };
            let clean = job(&input, &output, recipe, options(1, chunk_bytes));
            let report = clean.run_on(&mut elsewhere, on).unwrap();
            assert!(results(&output, &report) == expected, "{count}, chunks of {chunk_bytes}");
            assert!(elsewhere.done > 0 && elsewhere.work.is_empty());
            assert_eq!(workers(), [0; 0]);
        }
    }
}

fn a_part_that_no_remote_worker_completes_fails_only_its_file() {
    let place = Place::new();
    for name in ["a.csv", "bad.csv", "c.csv", "empty.csv"] {
        place.write(name, if name == "empty.csv" { b"" } else { b"n,value\n1,2\n3,4\n" });
    }
    let output = Output::Directory(place.path("out"), "{name}".to_owned());
    let recipe = Recipe::from_toml(ARTICLE).unwrap();
    let clean = Clean::new([place.path("*.csv")], output).recipe(recipe).options(options(2, 4));
    let mut elsewhere = Elsewhere { count: 2, loses: Some(b"bad.csv"), ..Elsewhere::default() };
    let report = clean.run_on(&mut elsewhere, on).unwrap();
    let errors: Vec<_> = report.files.iter().map(|file| file.error.as_deref()).collect();
    assert_eq!(errors, [None, Some("its chunk 1 was lost: the worker died"), None, None]);
    assert_eq!(outputs(&place.path("out")), ["a.csv", "c.csv", "empty.csv"]);
    assert_eq!(fs::read_to_string(place.path("out/c.csv")).unwrap().lines().count(), 3);
}

fn progress_of_a_compressed_file_ends_at_its_compressed_size() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&dirty_rows(200_000)).unwrap();
    let place = Place::new();
    let input = place.write("in.csv.gz", &encoder.finish().unwrap());
    let size = fs::metadata(&input).unwrap().len();
    for recipe in ["", THOROUGH] {
        let clean = job(&input, &place.path("out.csv"), recipe, options(2, 1 << 14));
        let mut seen = vec![0];
        let report = clean.run(|progress| {
            assert_eq!(progress.bytes, size);
            seen.push(progress.bytes_done);
            ControlFlow::Continue(())
        });
        assert_eq!(report.unwrap().files[0].error, None);
        assert!(seen.is_sorted() && seen.iter().all(|done| *done <= size), "{seen:?}");
        assert!(seen.iter().any(|done| (size / 4..size).contains(done)), "{seen:?}");
    }
}

fn a_compressed_file_is_not_cut_for_remote_workers() {
    let place = Place::new();
    const GZIP: [u8; 20] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const ZSTD: [u8; 9] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];
    for (name, bytes, can) in [
        ("a.csv", &b"a,b\n"[..], true),
        ("empty.csv", b"", true),
        ("a.csv.gz", &GZIP, false),
        ("archive.csv", &ZSTD, false),
        ("utf16.csv", b"\xff\xfea\0,\0b\0\n\0", false),
    ] {
        let input = place.write(name, bytes);
        let clean = job(&input, &place.path("out.csv"), ARTICLE, options(1, 64));
        assert_eq!(clean.can_be_cut(&input).unwrap(), can, "{name}");
        let mut elsewhere = Elsewhere { count: 1, ..Elsewhere::default() };
        let report = clean.run_on(&mut elsewhere, on).unwrap();
        let error = report.files[0].error.clone().unwrap_or_default();
        assert_eq!(error.contains("are cut for remote workers"), !can, "{name}: {error}");
    }
    let clean = job(&place.path("none.csv"), &place.path("out.csv"), ARTICLE, options(1, 64));
    assert!(!clean.can_be_cut(&place.path("none.csv")).unwrap());
}

/// The union and the intersection of CSV texts without quotes, row by row and cell by cell.
fn put_together(files: &[String], is_union: bool) -> String {
    let split = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<String>>();
    let tables: Vec<Vec<Vec<String>>> =
        files.iter().map(|text| text.lines().map(split).collect()).collect();
    let mut names: Vec<String> = Vec::new();
    for name in tables.iter().flat_map(|table| &table[0]) {
        let is_wanted = is_union || tables.iter().all(|table| table[0].contains(name));
        if is_wanted && !names.contains(name) {
            names.push(name.clone());
        }
    }
    let mut text = names.join(",") + "\n";
    for table in &tables {
        for row in &table[1..] {
            let cell = |name: &String| {
                let at = table[0].iter().position(|own| own == name);
                at.map_or(String::new(), |at| row[at].clone())
            };
            text += &(names.iter().map(cell).collect::<Vec<_>>().join(",") + "\n");
        }
    }
    text
}

fn files_with_different_headers_become_one_output_whatever_the_chunks_and_workers() {
    let place = Place::new();
    let mut number = 1_u64;
    let mut random = |below: usize| {
        number =
            number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) as usize % below
    };
    let mut texts = Vec::new();
    for file in 0..12 {
        let mut names = vec!["id".to_owned(), "x".to_owned()];
        for _ in 0..random(4) {
            let name = format!("c{}", random(6));
            if !names.contains(&name) {
                let at = random(names.len() + 1);
                names.insert(at, name);
            }
        }
        let mut text = names.join(",") + "\n";
        for row in 0..random(300) + 1 {
            let cells = names.iter().map(|name| format!("{name}-{file}-{row}"));
            text += &(cells.collect::<Vec<_>>().join(",") + "\n");
        }
        texts.push(text);
    }
    let inputs: Vec<PathBuf> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| place.write(&format!("{at:02}.csv"), text.as_bytes()))
        .collect();
    let output = place.path("all.csv");
    for (headers, is_union) in [(Headers::Union, true), (Headers::Intersect, false)] {
        let expected = put_together(&texts, is_union);
        for (workers, chunk_bytes) in [(1, 1 << 20), (3, 1 << 20), (1, 64), (3, 301)] {
            let mut options = options(workers, chunk_bytes);
            options.headers = headers;
            let clean =
                Clean::new(&inputs, Output::ConcatenatedFile(output.clone())).options(options);
            let report = clean.run(on).unwrap();
            assert!(report.files.iter().all(|file| file.error.is_none()), "{:?}", report.files);
            assert_eq!(fs::read_to_string(&output).unwrap(), expected, "{headers:?} {chunk_bytes}");
            let compared = report.headers.unwrap();
            let files: usize = compared.groups.iter().map(|group| group.files).sum();
            assert_eq!(files, 12);
        }
    }
}
