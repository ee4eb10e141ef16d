//! Errors in an expression, shown with a caret under the position.

use std::fmt;
use std::ops::Range;

use crate::problem::Hint;

/// Maximum number of characters of a line that are shown.
const SHOWN: usize = 120;

/// An error in an expression, and its position. The text has several lines:
///
/// ```text
/// no column `valu`
///   valu <= 500
///   ^^^^ did you mean `value`?
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpressionError {
    /// Says what is wrong.
    pub(crate) message: String,
    /// The expression.
    pub(crate) source: String,
    /// The range of `source` that is wrong.
    pub(crate) span: Range<usize>,
    /// Advice about it.
    pub(crate) hint: Option<String>,
    /// Advice about settings of a job, separate from the hint about the expression.
    pub(crate) advice: Option<Box<Hint>>,
    missing: Option<String>,
}

impl ExpressionError {
    pub(super) fn new(message: impl Into<String>, source: &str, span: Range<usize>) -> Self {
        let (message, source) = (message.into(), source.to_owned());
        ExpressionError { message, source, span, hint: None, advice: None, missing: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn advise(mut self, advice: Hint) -> Self {
        self.advice = Some(Box::new(advice));
        self
    }

    /// Adds a hint with the name that was probably meant, if one is similar.
    pub(super) fn did_you_mean(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    pub(super) fn missing(mut self, column: &str) -> Self {
        self.missing = Some(column.to_owned());
        self
    }

    /// The missing column, if that is the error.
    pub(crate) fn missing_column(&self) -> Option<&str> {
        self.missing.as_deref()
    }
}

impl std::error::Error for ExpressionError {}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.span.start.min(self.source.len());
        let line_start = self.source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = self.source[line_start..].lines().next().unwrap_or_default();
        let chars = |bytes: Range<usize>| self.source.get(bytes).map_or(0, |s| s.chars().count());
        let before = chars(line_start..start);
        let end = self.span.end.clamp(start, (line_start + line.len()).max(start));
        let wrong = chars(start..end).max(1);
        // Shows only the part of a long line near the error.
        let skip = if before > SHOWN / 2 { before - SHOWN / 4 } else { 0 };
        let shown: String = line.chars().skip(skip).take(SHOWN).collect();
        let wrong = wrong.min(SHOWN + 1 - (before - skip));
        writeln!(f, "{}", self.message)?;
        writeln!(f, "  {}", shown.replace('\t', " "))?;
        write!(f, "  {}{}", " ".repeat(before - skip), "^".repeat(wrong))?;
        match &self.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}
