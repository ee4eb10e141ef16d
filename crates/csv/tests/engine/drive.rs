//! Several ways to clean a file, which must all give the same result.

use manyhands_csv::report::FileReport;
use manyhands_csv::{
    Accepted, Chunk, Course, Dialect, HeadFound, Next, Out, Plan, Prepared, REJECTS_HEADER, Reach,
    Recipe, clean_whole, find_head,
};

/// The complete result of cleaning a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cleaned {
    pub(crate) output: Vec<u8>,
    /// Includes the header if there are rejects.
    pub(crate) rejects: Vec<u8>,
    pub(crate) report: FileReport,
}

/// 2026-01-31 12:30:00 UTC.
pub(crate) const NOW: i64 = 1_769_862_600;
const SECRET: (u64, u64) = (1, 2);

/// A way to process a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// In memory, in pieces of this number of bytes.
    Whole(Option<usize>),
    /// By chunks of this number of bytes, each read alone with an assumed start state.
    Chunks(usize),
}

pub(crate) fn clean(
    recipe: &Recipe,
    dialect: &Dialect,
    bytes: &[u8],
    memory: usize,
    way: Way,
) -> Result<Cleaned, String> {
    let prepared = Prepared::new(recipe.clone(), NOW).map_err(|error| error.text())?;
    let head = match find_head(dialect, bytes, 0, true) {
        HeadFound::Head(head) => head,
        HeadFound::Failed(problem) => return Err(problem.text()),
        other => return Err(format!("{other:?}")),
    };
    let header = &bytes[head.header.clone()];
    let plan = Plan::new(&prepared, dialect, header).map_err(|error| error.text())?;
    let mut output = plan.header().to_vec();
    output.extend_from_slice(dialect.header_line_end(bytes, &head));
    let (course, rejects) = match way {
        Way::Whole(piece) => {
            clean_whole(&plan, bytes, &head, memory, SECRET, piece, Out::Csv(&mut output))
                .map_err(|problem| problem.to_string())?
        }
        Way::Chunks(size) => {
            by_chunks(&plan, bytes, head.data, head.lines, memory, size, &mut output)?
        }
    };
    let notes = [plan.notes(), course.findings()].concat();
    let mut report = FileReport { notes, ..FileReport::default() };
    assert!(course.report(&plan, &mut report), "rows are not accounted for: {report:?}");
    report.blank_lines += head.blank_lines;
    let mut text = Vec::new();
    rejects.iter().for_each(|some| some.write(&plan, "input.csv", &mut text));
    if !text.is_empty() {
        text = [REJECTS_HEADER, &text].concat();
    }
    Ok(Cleaned { output, rejects: text, report })
}

/// Like workers do it: each chunk alone, with only as many bytes behind it as it asks for.
fn by_chunks(
    plan: &Plan,
    bytes: &[u8],
    data: usize,
    lines: u64,
    memory: usize,
    size: usize,
    output: &mut Vec<u8>,
) -> Result<(Course, Vec<manyhands_csv::Rejects>), String> {
    let mut course = Course::new(plan, memory, SECRET, lines);
    let chunks = (bytes.len() - data).div_ceil(size).max(1);
    let mut rejects = Vec::new();
    loop {
        let mut done: Vec<Option<(Vec<u8>, manyhands_csv::Outcome)>> =
            (0..chunks).map(|_| None).collect();
        // All chunks at once, before anything is known about earlier ones.
        let tasks: Vec<_> = (0..chunks).map(|chunk| course.task(chunk)).collect();
        for (chunk, task) in tasks.iter().enumerate() {
            done[chunk] = Some(one(plan, task, bytes, data, size, chunk));
        }
        let last = course.is_last_pass();
        for (chunk, slot) in done.iter_mut().enumerate() {
            let (mut clean, mut outcome) = slot.take().expect("every chunk was done");
            if course.frontier() == chunk && !course.verify(&outcome) {
                (clean, outcome) = one(plan, &course.task(chunk), bytes, data, size, chunk);
            }
            if course.has_ended() {
                // What it wrote is not used.
                clean.clear();
            }
            match course.accept(outcome) {
                Accepted::Taken(some) => rejects.push(some),
                Accepted::Failed(problem) => return Err(problem.to_string()),
                Accepted::Again => panic!("a chunk that was told its start state assumed wrongly"),
            }
            assert!(last || clean.is_empty(), "only the last pass writes");
            output.extend_from_slice(&clean);
        }
        if course.finish_pass(plan, lines).map_err(|problem| problem.to_string())? == Next::Done {
            return Ok((course, rejects));
        }
    }
}

fn one(
    plan: &Plan,
    task: &manyhands_csv::Task,
    bytes: &[u8],
    data: usize,
    size: usize,
    chunk: usize,
) -> (Vec<u8>, manyhands_csv::Outcome) {
    let from = data + chunk * size;
    let to = bytes.len().min(from + size);
    let base = if chunk == 0 { from } else { from - 1 };
    let mut seen = to;
    let mut work = Chunk::new(plan, task, &bytes[base..seen], from - base, to - base);
    while let Reach::More(more) = work.reach(&bytes[base..seen], seen == bytes.len()) {
        assert!(more > 0);
        // As few bytes as possible.
        seen = bytes.len().min(seen + 1 + more % 3);
    }
    let mut clean = Vec::new();
    let outcome = work.run(&bytes[base..seen], base as u64, Out::Csv(&mut clean));
    (clean, outcome)
}
