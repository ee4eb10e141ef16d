//! What travels between the parent of a job and its workers.
//!
//! A worker writes its reply itself: first the clean bytes, which the parent passes on from where they are, then what
//! is to be known about them, then the length of the first.

use std::cell::OnceCell;
use std::path::PathBuf;

use manyhands_csv::recipe::MaxRejects;
use manyhands_csv::report::FileReport;
use manyhands_csv::{Dialect, Outcome, Plan, Prepared, Problem, Recipe, Style, Task};
use manyhands_pool::Reply;
use serde::{Deserialize, Serialize};

use crate::input::read::Reading;
use crate::output::draft::Address;
use crate::output::format::{Block, Column, Format};
use crate::stamp::Stamp;

/// A recipe on its way to a worker, which reads it once.
#[derive(Serialize, Deserialize)]
pub(crate) struct TravellingRecipe {
    /// TOML, since not every format can carry a recipe.
    toml: String,
    now: i64,
    #[serde(skip)]
    prepared: OnceCell<Result<Prepared, String>>,
}

impl TravellingRecipe {
    /// `now` is the run's instant, in seconds since 1970.
    pub(crate) fn new(recipe: &Recipe, now: i64) -> Self {
        TravellingRecipe { toml: recipe.to_toml(), now, prepared: OnceCell::new() }
    }

    pub(crate) fn get(&self) -> Result<&Prepared, String> {
        let prepare = || {
            let recipe = Recipe::from_toml(&self.toml)?;
            Prepared::new(recipe, self.now).map_err(|error| error.to_string())
        };
        self.prepared.get_or_init(prepare).as_ref().map_err(Clone::clone)
    }
}

/// What all small files of a job have in common.
#[derive(Serialize, Deserialize)]
pub(crate) struct WholeContext {
    pub(crate) recipe: TravellingRecipe,
    pub(crate) reading: Reading,
    pub(crate) memory: usize,
    pub(crate) secret: (u64, u64),
    pub(crate) piece: Option<usize>,
    pub(crate) max_rejects: Option<MaxRejects>,
    /// Whether sums of inputs and outputs are wanted.
    pub(crate) summed: bool,
    /// Whether several inputs have one text as their output, with one style.
    pub(crate) one_style: bool,
}

/// One small file.
#[derive(Serialize, Deserialize)]
pub(crate) struct WholeWork {
    #[serde(with = "crate::path_bytes")]
    pub(crate) path: PathBuf,
    /// The draft that clean bytes are written to; `None`: they are the reply's.
    pub(crate) to: Option<Address>,
    pub(crate) format: Format,
    /// What separates the output's fields, if that is not as in the input.
    pub(crate) out_delimiter: Option<u8>,
    /// The style of the output that it goes to with others, as far as that is known.
    pub(crate) style: Option<Style>,
    /// Whether there is a place for rejects.
    pub(crate) keeps_rejects: bool,
    /// The output's name for messages.
    pub(crate) to_name: String,
    /// The state of the file when its types were inferred.
    pub(crate) seen: Option<Stamp>,
}

/// What became of one small file.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct WholeReply {
    pub(crate) report: FileReport,
    pub(crate) columns: Vec<Column>,
    /// The style in which its rows are written, and its own, in which they would be as the first of
    /// an output.
    pub(crate) style: Style,
    pub(crate) own_style: Style,
    pub(crate) block: Block,
    /// How many of the clean bytes are the header.
    pub(crate) header_bytes: usize,
    /// The text of the rejects file; empty if nothing was rejected. The parent writes it.
    #[serde(with = "serde_bytes")]
    pub(crate) rejects: Vec<u8>,
    /// Why the file fails although all was done: too much was rejected.
    pub(crate) refused: Option<Problem>,
    /// Nothing was done: unpacked, it is to be cut into chunks.
    pub(crate) is_too_big: bool,
}

/// What all chunks of a file have in common.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChunkContext {
    pub(crate) recipe: TravellingRecipe,
    pub(crate) dialect: Dialect,
    #[serde(with = "serde_bytes")]
    pub(crate) header: Vec<u8>,
    /// None for chunks that bring their bytes.
    pub(crate) file: Option<ChunkFile>,
    pub(crate) format: Format,
    /// Whether sums of the chunks and of what they become are wanted.
    pub(crate) summed: bool,
    #[serde(skip)]
    pub(crate) plan: OnceCell<Result<Plan, Problem>>,
}

/// The file that chunks are read from, and what shows that it is still the same.
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
    /// Where in the file its first record begins: nothing before it is read.
    pub(crate) data: u64,
    pub(crate) task: Task,
    /// Whether it is the pass that writes.
    pub(crate) is_last_pass: bool,
    /// The chunk itself, if it is not read from a file.
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
}

/// What became of one chunk.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChunkReply {
    pub(crate) outcome: Outcome,
    pub(crate) block: Block,
}

/// Appends what is to be known about the clean bytes in a reply.
pub(crate) fn seal<T: Serialize>(result: Result<T, Problem>, reply: &mut Vec<u8>) {
    if result.is_err() {
        reply.clear();
    }
    let len = reply.len() as u64;
    manyhands_tasks::codec::encode_onto(&result, reply);
    reply.extend(len.to_le_bytes());
}

/// Reads what [`seal`] appended: the length of the clean bytes, and what is known about them.
pub(crate) fn unseal<T: serde::de::DeserializeOwned>(reply: &Reply) -> Result<(usize, T), Problem> {
    let broken = || Problem::new("a worker's reply cannot be read");
    let known = reply.len().checked_sub(8).ok_or_else(broken)?;
    let len = reply.read(known, 8).map_err(|error| error.to_string())?;
    let len = u64::from_le_bytes(len.try_into().map_err(|_| broken())?) as usize;
    let rest = known.checked_sub(len).ok_or_else(broken)?;
    let bytes = reply.read(len, rest).map_err(|error| error.to_string())?;
    let result: Result<T, Problem> = manyhands_tasks::codec::decode(&bytes, &[])?;
    result.map(|known| (len, known))
}
