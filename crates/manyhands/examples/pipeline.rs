//! One large CSV file through a pipeline of processes: a producer cuts it into chunks of lines,
//! workers normalise a numeric field, and a writer restores the order of the chunks. The queues
//! between them are bounded, so a slow stage slows the others down and memory use stays small.
//!
//! Fields are split at commas, since the file that this example makes has no quotes. To clean CSV
//! files in general, use `manyhands::clean`.

#![allow(clippy::print_stdout, reason = "an example prints what it did")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use manyhands::{Process, Queue};

const ROWS: usize = 1_000_000;
const CHUNK: usize = 1_000;

/// Lines, and the number of their chunk.
type Chunk = (u64, Vec<String>);

fn produce((input, chunks): (PathBuf, Queue<Chunk>)) -> u64 {
    let mut lines = BufReader::new(File::open(input).unwrap()).lines().skip(1);
    for number in 0.. {
        let chunk: Vec<String> = lines.by_ref().take(CHUNK).map(Result::unwrap).collect();
        if chunk.is_empty() {
            chunks.close();
            return number;
        }
        chunks.put(&(number, chunk)).unwrap();
    }
    unreachable!()
}

/// The second field as a number; 0 if it is not one.
fn normalise(line: &str) -> String {
    let mut fields: Vec<&str> = line.split(',').collect();
    let value: f64 = fields[1].trim().parse().unwrap_or(0.0);
    let value = format!("{value:?}");
    fields[1] = &value;
    fields.join(",")
}

fn work((chunks, done): (Queue<Chunk>, Queue<Chunk>)) {
    for (number, lines) in chunks.iter() {
        let lines = lines.iter().map(|line| normalise(line)).collect();
        done.put(&(number, lines)).unwrap();
    }
}

fn write((output, done): (PathBuf, Queue<Chunk>)) -> u64 {
    let mut file = BufWriter::new(File::create(output).unwrap());
    writeln!(file, "id,value,city").unwrap();
    let (mut early, mut next, mut rows) = (BTreeMap::new(), 0, 0);
    for (number, lines) in done.iter() {
        early.insert(number, lines);
        while let Some(lines) = early.remove(&next) {
            for line in lines {
                writeln!(file, "{line}").unwrap();
                rows += 1;
            }
            next += 1;
        }
    }
    file.flush().unwrap();
    rows
}

fn make_input(path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "id,value,city")?;
    for id in 0..ROWS {
        match id % 10 {
            3 => writeln!(file, "{id},n/a,Lima")?,
            7 => writeln!(file, "{id}, {}.5 ,Kyoto", id % 1000)?,
            _ => writeln!(file, "{id},{},Oslo", id % 777)?,
        }
    }
    file.flush()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manyhands::init();
    let folder = std::env::temp_dir().join(format!("manyhands-pipeline-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let result = run(&folder);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn run(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let (input, output) = (folder.join("large.csv"), folder.join("cleaned_large.csv"));
    make_input(&input)?;

    let start = Instant::now();
    let (chunks, done) = (Queue::bounded(8)?, Queue::bounded(8)?);
    let producer = Process::spawn(produce, (input.clone(), chunks.clone()))?;
    let workers = (0..manyhands::usable_cores())
        .map(|_| Process::spawn(work, (chunks.clone(), done.clone())))
        .collect::<manyhands::Result<Vec<_>>>()?;
    let writer = Process::spawn(write, (output.clone(), done.clone()))?;

    let produced = producer.join()?;
    let count = workers.len();
    for worker in workers {
        worker.join()?;
    }
    done.close();
    let rows = writer.join()?;
    println!("{rows} rows in {produced} chunks by {count} workers in {:.2?}", start.elapsed());

    let start = Instant::now();
    let cleaned = std::fs::read_to_string(&output)?;
    let original = std::fs::read_to_string(&input)?;
    let mut serial = String::from("id,value,city\n");
    for line in original.lines().skip(1) {
        serial.push_str(&normalise(line));
        serial.push('\n');
    }
    assert!(cleaned == serial && rows == ROWS as u64);
    println!("the same bytes as from one process, which took {:.2?}", start.elapsed());
    Ok(())
}
