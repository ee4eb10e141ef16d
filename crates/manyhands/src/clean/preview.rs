//! What a job would do: its outputs, the passes of its first file, and some rows before and after.

use std::fs::File;
use std::io::{self, Read};

use manyhands_csv::{HeadFound, Out, Plan, clean_whole, find_head, rows_of};

use super::inputs::{self, Input};
use super::read::{Reading, decode};
use super::unpack::Unpacker;
use super::{Clean, CleanError, Preview, Problem};

/// How much of the first file is looked at.
const LOOK: u64 = 1 << 20;

pub(super) fn preview(job: &Clean, rows: usize) -> Result<Preview, CleanError> {
    let reading = Reading::new(&job.options).map_err(|error| CleanError::Usage(error.into()))?;
    let prepared = job.prepare(super::now())?;
    let routes = inputs::route(inputs::find(&job.inputs)?, &job.output, &job.options)?;
    let mut preview = Preview {
        files: routes.iter().map(|route| (route.input.name(), route.target_name())).collect(),
        ..Preview::default()
    };
    let input = &routes[0].input;
    let name = input.name();
    let wrong =
        |error: io::Error| CleanError::Failed(format!("{name}: cannot read it: {error}").into());
    let mut raw = Vec::new();
    match input {
        Input::Stdin => io::stdin().lock().take(LOOK).read_to_end(&mut raw).map_err(wrong)?,
        Input::File(path) => {
            File::open(path).map_err(wrong)?.take(LOOK).read_to_end(&mut raw).map_err(wrong)?
        }
    };
    let mut cut = raw.len() as u64 == LOOK;
    if let Some(mut unpacker) = Unpacker::of(&name, &raw[..raw.len().min(4)]).map_err(wrong)? {
        raw = unpacker.unpack_up_to(&raw, LOOK as usize).map_err(wrong)?;
        cut |= raw.len() as u64 > LOOK;
    }
    let mut bytes = match reading.encoding(&raw) {
        Some(encoding) => decode(encoding, &raw).0,
        None => raw,
    };
    let dialect = reading.dialect(&name, &bytes);
    let HeadFound::Head(head) = find_head(&dialect, &bytes, reading.skip_lines, !cut) else {
        return Ok(preview);
    };
    let failed = |problem: Problem| CleanError::Failed(problem.at(&name));
    let header = bytes[head.header.clone()].to_vec();
    let plan = Plan::new(&prepared, &dialect, &header).map_err(|error| failed(error.into()))?;
    preview.passes = plan.explain();
    let (before, end) = rows_of(&dialect, &bytes[head.data..], rows, !cut);
    bytes.truncate(head.data + end);
    preview.before = before;
    if dialect.has_header {
        preview.before.insert(0, rows_of(&dialect, &header, 1, true).0.pop().unwrap_or_default());
        preview.after.push(plan.output_names().to_vec());
    }
    let mut out = Vec::new();
    clean_whole(&plan, &bytes, &head, job.options.memory, (0, 0), None, Out::Csv(&mut out))
        .map_err(failed)?;
    let mut written = dialect.clone();
    written.delimiter = dialect.out_delimiter.unwrap_or(dialect.delimiter);
    preview.after.extend(rows_of(&written, &out, rows, true).0);
    Ok(preview)
}
