//! The settings for writing text, for parent and workers.

use manyhands_csv::{Dialect, Hint, LineEnd, Problem, QuoteStyle, Separator};
use serde::{Deserialize, Serialize};

use crate::options::Options;

/// The settings for writing text. Where one is not set, the input decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Writing {
    delimiter: Option<Separator>,
    quote: Option<Option<u8>>,
    quote_style: QuoteStyle,
    line_end: Option<LineEnd>,
}

impl Writing {
    pub(crate) fn new(options: &Options) -> Writing {
        Writing {
            delimiter: options.out_delimiter,
            quote: options.out_quote.map(|quote| quote.0),
            quote_style: options.quote_style,
            line_end: options.out_line_end,
        }
    }

    /// These settings with another delimiter, which the output's name may decide.
    pub(crate) fn with_delimiter(self, delimiter: Option<Separator>) -> Writing {
        Writing { delimiter, ..self }
    }

    /// Writes the outputs of files in this dialect by these settings.
    pub(crate) fn apply(&self, dialect: &mut Dialect) {
        dialect.out_delimiter = self.delimiter;
        dialect.out_quote = self.quote;
        dialect.quote_style = self.quote_style;
        dialect.out_line_end = self.line_end;
    }

    /// # Errors
    /// If a setting is about text, and the outputs are `stores` of columns: a table, or Parquet files.
    pub(crate) fn check_without_text(&self, stores: &str) -> Result<(), Problem> {
        let set = [
            ("out_delimiter", "delimiter", self.delimiter.is_some()),
            ("out_quote", "quotes", self.quote.is_some()),
            ("quote_style", "quotes", self.quote_style != QuoteStyle::default()),
            ("out_line_end", "line ends", self.line_end.is_some()),
        ];
        match set.into_iter().find(|(.., is_set)| *is_set) {
            Some((setting, what, _)) => Err(Problem::new(format!("{stores} no {what}"))
                .hint(Hint::words("leave out ").and_any(setting))),
            None => Ok(()),
        }
    }
}
