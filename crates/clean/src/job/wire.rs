//! The messages between the parent of a job and its workers.
//!
//! A worker writes its reply itself: the clean bytes, which the parent forwards without a copy; then
//! metadata; then the length of the clean bytes.

use std::cell::OnceCell;
use std::path::PathBuf;

use manyhands_csv::recipe::MaxRejects;
use manyhands_csv::report::FileReport;
use manyhands_csv::{Arrangement, Dialect, Outcome, Plan, Prepared, Problem, Recipe, Style, Task};
use manyhands_pool::Reply;
use serde::{Deserialize, Serialize};

use crate::input::read::Reading;
use crate::output::draft::Address;
use crate::output::format::{Block, Column, Format};
use crate::stamp::Stamp;
use crate::writing::Writing;

/// A recipe that travels to a worker, which parses it once.
#[derive(Serialize, Deserialize)]
pub(crate) struct TravellingRecipe {
    /// TOML, since not every format can encode a recipe.
    toml: String,
    now: i64,
    /// The columns of the one output for all, if the headers of the inputs may differ.
    arrangement: Option<Arrangement>,
    #[serde(skip)]
    prepared: OnceCell<Result<Prepared, Problem>>,
}

impl TravellingRecipe {
    /// `now` is the instant of the run, in seconds since 1970.
    pub(crate) fn new(recipe: &Recipe, now: i64, arrangement: Option<Arrangement>) -> Self {
        let toml = recipe.to_toml();
        TravellingRecipe { toml, now, arrangement, prepared: OnceCell::new() }
    }

    pub(crate) fn get(&self) -> Result<&Prepared, Problem> {
        let prepare = || {
            let recipe = Recipe::from_toml(&self.toml)?;
            Ok(Prepared::new(recipe, self.now)?.arranged(self.arrangement.clone()))
        };
        self.prepared.get_or_init(prepare).as_ref().map_err(Clone::clone)
    }
}

/// Data that all small files of a job share.
#[derive(Serialize, Deserialize)]
pub(crate) struct WholeContext {
    pub(crate) recipe: TravellingRecipe,
    pub(crate) reading: Reading,
    pub(crate) memory: usize,
    pub(crate) secret: (u64, u64),
    pub(crate) piece: Option<usize>,
    pub(crate) max_rejects: Option<MaxRejects>,
    /// True if checksums of inputs and outputs are wanted.
    pub(crate) summed: bool,
    /// True if several inputs share one text output, with one style.
    pub(crate) one_style: bool,
}

/// One small file.
#[derive(Serialize, Deserialize)]
pub(crate) struct WholeWork {
    #[serde(with = "crate::path_bytes")]
    pub(crate) path: PathBuf,
    /// The draft that clean bytes are written to; `None` if they are part of the reply.
    pub(crate) to: Option<Address>,
    pub(crate) format: Format,
    pub(crate) writing: Writing,
    /// The style of the shared output, as far as it is known.
    pub(crate) style: Option<Style>,
    /// True if rejects go anywhere.
    pub(crate) keeps_rejects: bool,
    /// The output's name for messages.
    pub(crate) to_name: String,
    /// The state of the file when types were proposed for it.
    pub(crate) seen: Option<Stamp>,
}

/// The result for one small file.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct WholeReply {
    pub(crate) report: FileReport,
    pub(crate) columns: Vec<Column>,
    /// The style in which the rows are written, and the file's own style, which they would have as the first
    /// in an output.
    pub(crate) style: Style,
    pub(crate) own_style: Style,
    pub(crate) block: Block,
    /// Number of clean bytes that are the header.
    pub(crate) header_bytes: usize,
    /// The text of the rejects file; empty if nothing was rejected. The parent writes it.
    #[serde(with = "serde_bytes")]
    pub(crate) rejects: Vec<u8>,
    /// Why the file fails although it was cleaned: too many rejects.
    pub(crate) refused: Option<Problem>,
    /// Nothing was done: the unpacked file is too big and must be cut into chunks.
    pub(crate) is_too_big: bool,
}

/// Data that all chunks of a file share.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChunkContext {
    pub(crate) recipe: TravellingRecipe,
    pub(crate) dialect: Dialect,
    #[serde(with = "serde_bytes")]
    pub(crate) header: Vec<u8>,
    /// None for chunks that bring their bytes.
    pub(crate) file: Option<ChunkFile>,
    pub(crate) format: Format,
    /// True if checksums of the chunks and of their outputs are wanted.
    pub(crate) summed: bool,
    #[serde(skip)]
    pub(crate) plan: OnceCell<Result<Plan, Problem>>,
}

/// The file that chunks are read from, and the stamp that detects changes of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkFile {
    #[serde(with = "crate::path_bytes")]
    pub(crate) path: PathBuf,
    pub(crate) stamp: Stamp,
}

/// One chunk.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChunkWork {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Offset of the first record in the file; nothing before it is read.
    pub(crate) data: u64,
    pub(crate) task: Task,
    /// True if this is the pass that writes.
    pub(crate) is_last_pass: bool,
    /// The bytes of the chunk, if it is not read from a file.
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
}

/// The result for one chunk.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChunkReply {
    pub(crate) outcome: Outcome,
    pub(crate) block: Block,
}

/// Appends the metadata about the clean bytes to a reply.
pub(crate) fn seal<T: Serialize>(result: Result<T, Problem>, reply: &mut Vec<u8>) {
    if result.is_err() {
        reply.clear();
    }
    let len = reply.len() as u64;
    manyhands_tasks::codec::encode_onto(&result, reply);
    reply.extend(len.to_le_bytes());
}

/// Reads what [`seal`] appended: the length of the clean bytes, and their metadata.
pub(crate) fn unseal<T: serde::de::DeserializeOwned>(reply: &Reply) -> Result<(usize, T), Problem> {
    let broken = || Problem::new("a worker's reply cannot be read");
    let known = reply.len().checked_sub(8).ok_or_else(broken)?;
    let len = reply.read(known, 8).map_err(Problem::from_error)?;
    let len = u64::from_le_bytes(len.try_into().map_err(|_| broken())?) as usize;
    let rest = known.checked_sub(len).ok_or_else(broken)?;
    let bytes = reply.read(len, rest).map_err(Problem::from_error)?;
    let result: Result<T, Problem> = manyhands_tasks::codec::decode(&bytes, &[])?;
    result.map(|known| (len, known))
}
