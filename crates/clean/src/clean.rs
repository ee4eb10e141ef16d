//! The description of a job: its inputs, output, recipe and options.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use manyhands_csv::recipe::{self, DialectFrom, Recipe};
use manyhands_csv::{Find, Prepared};

use crate::error::CleanError;
use crate::options::{Options, Output};
use crate::stamp::Stamp;

/// A cleaning job: inputs, output, recipe and options.
#[derive(Debug, Clone)]
pub struct Clean {
    pub(crate) inputs: Vec<OsString>,
    pub(crate) output: Output,
    pub(crate) recipe: Recipe,
    pub(crate) options: Options,
    /// The state of each input when its types were proposed; shared with clones of the job.
    pub(crate) seen: Seen,
}

/// States of inputs, by path.
pub(crate) type Seen = Arc<Mutex<HashMap<PathBuf, Stamp>>>;

impl Clean {
    /// A job over these inputs: files, directories (their `.csv`, `.tsv` and `.tab` files, also with `.gz` or
    /// `.zst` appended), patterns (`*`, `?`, `[…]`, `**`), or `-` for standard input. Files of rejects
    /// (`*.rejects.csv`) must be named explicitly.
    pub fn new<I: Into<OsString>>(inputs: impl IntoIterator<Item = I>, output: Output) -> Clean {
        let inputs = inputs.into_iter().map(Into::into).collect();
        let (recipe, options) = (Recipe::default(), Options::default());
        Clean { inputs, output, recipe, options, seen: Seen::default() }
    }

    /// The steps to apply. Default: none; records are only checked.
    pub fn recipe(mut self, recipe: Recipe) -> Self {
        self.recipe = recipe;
        self
    }

    /// Settings for reading and writing files.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Makes inputs fail that have changed since `other` proposed types for them by
    /// [`propose_types`](Self::propose_types). A clone of `other` does this without being told.
    pub fn as_seen_by(mut self, other: &Clean) -> Self {
        self.seen = Arc::clone(&other.seen);
        self
    }

    /// The state of each input when [`propose_types`](Self::propose_types) read it, by path, for
    /// [`as_seen_elsewhere`](Self::as_seen_elsewhere): size and time of the last change, encoded by this
    /// version.
    pub fn seen_elsewhere(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(path, stamp): (&PathBuf, &Stamp)| {
            let mut bytes = Vec::new();
            manyhands_tasks::codec::encode_onto(&stamp.of_any_machine(), &mut bytes);
            (path.clone(), bytes)
        };
        seen.iter().map(of).collect()
    }

    /// Like [`as_seen_by`](Self::as_seen_by), for a job on another machine that sees the same files.
    ///
    /// # Errors
    /// If the bytes do not come from [`seen_elsewhere`](Self::seen_elsewhere).
    pub fn as_seen_elsewhere(
        mut self,
        seen: impl IntoIterator<Item = (PathBuf, Vec<u8>)>,
    ) -> Result<Self, String> {
        let of = |(path, bytes): (PathBuf, Vec<u8>)| {
            Ok((path, manyhands_tasks::codec::decode(&bytes, &[])?))
        };
        let seen = seen.into_iter().map(of).collect::<Result<_, String>>()?;
        self.seen = Arc::new(Mutex::new(seen));
        Ok(self)
    }

    /// Records the state of an input for which types are proposed.
    pub(crate) fn see(&self, path: &Path, stamp: Stamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(path.to_owned(), stamp);
    }

    /// The state of an input when its types were proposed, if they were.
    pub(crate) fn seen_as(&self, path: &Path) -> Option<Stamp> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied()
    }

    /// The output, recipe and options of the job.
    pub fn asked(&self) -> (&Output, &Recipe, &Options) {
        (&self.output, &self.recipe, &self.options)
    }

    /// The job with its recipe's settings for reading moved into its options.
    pub(crate) fn resolved(&self) -> Clean {
        fn take<T: PartialEq>(option: &mut T, default: &T, said: Option<T>) {
            if let Some(said) = said
                && option == default
            {
                *option = said;
            }
        }
        let mut job = self.clone();
        let (options, default) = (&mut job.options, Options::default());
        let recipe::Read {
            dialect,
            delimiter,
            quote,
            escape,
            skip_initial_space,
            comment,
            header,
            header_lines,
            names,
            skip_lines,
            skip_until,
            footer,
            encoding,
            max_record,
        } = std::mem::take(&mut job.recipe.read);
        take(&mut options.dialect, &default.dialect, dialect);
        options.find.get_or_insert(match options.dialect {
            DialectFrom::Settings => Find::default(),
            DialectFrom::Auto => Find {
                delimiter: options.delimiter == default.delimiter
                    && !(options.fixed.delimiter || delimiter.is_some()),
                quote: options.quote == default.quote && !(options.fixed.quote || quote.is_some()),
                escape: options.escape.is_none() && !(options.fixed.escape || escape.is_some()),
                initial_space: !(options.skip_initial_space
                    || options.fixed.initial_space
                    || skip_initial_space.is_some()),
                header: options.has_header
                    && options.header_lines == default.header_lines
                    && !(options.fixed.header || header.is_some() || header_lines.is_some()),
                titles: options.skip_lines == 0
                    && options.skip_until.is_none()
                    && !(options.fixed.titles || skip_lines.is_some() || skip_until.is_some()),
            },
        });
        take(&mut options.delimiter, &default.delimiter, delimiter);
        take(&mut options.quote, &default.quote, quote.map(|quote| quote.0));
        take(&mut options.escape, &default.escape, escape.map(|escape| escape.0));
        take(&mut options.skip_initial_space, &default.skip_initial_space, skip_initial_space);
        take(&mut options.comment, &default.comment, comment.map(|comment| Some(comment.0)));
        take(&mut options.has_header, &default.has_header, header);
        take(&mut options.header_lines, &default.header_lines, header_lines);
        take(&mut options.names, &default.names, names.map(Some));
        take(&mut options.skip_lines, &default.skip_lines, skip_lines);
        take(&mut options.skip_until, &default.skip_until, skip_until.map(Some));
        take(&mut options.footer, &default.footer, footer.map(Some));
        take(&mut options.encoding, &default.encoding, encoding.map(Some));
        take(&mut options.max_record, &default.max_record, max_record);
        let max_rejects = job.recipe.max_rejects.take();
        take(&mut options.max_rejects, &default.max_rejects, max_rejects.map(Some));
        job
    }

    pub(crate) fn prepare(&self, now: i64) -> Result<Prepared, CleanError> {
        let prepared = prepare(&self.recipe, now)?;
        prepared.check_parameters().map_err(CleanError::Usage)?;
        Ok(prepared)
    }
}

pub(crate) fn prepare(recipe: &Recipe, now: i64) -> Result<Prepared, CleanError> {
    Prepared::new(recipe.clone(), now).map_err(CleanError::Usage)
}

/// The current time, in seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}
