//! Why a choice is uncertain, as an error that shows the alternatives as settings.

use super::{Detected, Header, Reason, Score};
use crate::problem::{Hint, Problem, ProblemKind};

/// If the score of another candidate is at least this fraction of the best score, the choice is
/// uncertain.
const CLOSE: f64 = 0.95;

impl Detected {
    /// Why the choice is uncertain, if it is: another candidate is as good, or none is good.
    pub fn doubt(&self) -> Option<Problem> {
        let of_delimiter = || if self.by_records { self.doubt_of_delimiter() } else { None };
        let doubt = of_delimiter().or_else(|| self.doubt_of_quote());
        let doubt = doubt.or_else(|| self.doubt_of_escape());
        let doubt = doubt.or_else(|| self.doubt_of_start()).or_else(|| self.doubt_of_header());
        doubt.map(|problem| problem.of(ProblemKind::Format))
    }

    fn doubt_of_delimiter(&self) -> Option<Problem> {
        if let Some(Score { delimiter, fields, .. }) = self.unproven {
            let message = format!(
                "cannot tell the delimiter: {} divides all of the first {} records into {fields} fields, but it \
                 may be a part of their text",
                delimiter.named(),
                self.records
            );
            let hint = Hint::is("delimiter", delimiter).and(", or ").and_is("delimiter", ",");
            return Some(Problem::new(message).hint(hint.and(" if there is one column")));
        }
        let best = self.best()?;
        let others = || self.scores[1..].iter().filter(|score| score.divides());
        let is_rival = |score: &&Score| match best.divides() {
            true => score.score >= CLOSE * best.score && score.header_agrees == best.header_agrees,
            false => score.share >= 0.5,
        };
        let rival = others().find(is_rival);
        let is_weak = best.divides() && best.share < 0.5;
        if rival.is_none() && !is_weak {
            return None;
        }
        let shown = |score: &Score| {
            let percent = (score.share * 100.0).round();
            format!(
                "{} divides {percent} % of the first {} records into {} fields",
                score.delimiter.named(),
                self.records,
                score.fields
            )
        };
        let alternatives: Vec<&Score> =
            [best].into_iter().chain(others()).filter(|score| score.divides()).take(3).collect();
        let text: Vec<String> = alternatives.iter().map(|score| shown(score)).collect();
        let mut hint = Hint::default();
        for (place, score) in alternatives.iter().enumerate() {
            if place > 0 {
                hint = hint.and(" or ");
            }
            hint = hint.and_is("delimiter", score.delimiter);
        }
        if alternatives.len() == 1 {
            hint = hint.and(" if that is right");
        }
        let message = format!("cannot tell the delimiter: {}", text.join("; "));
        Some(Problem::new(message).hint(hint))
    }

    fn doubt_of_quote(&self) -> Option<Problem> {
        self.reasons.contains(&Reason::UnclearQuote).then(|| {
            let message = "cannot tell whether `\"` encloses fields: some would have several lines, and each \
                           line has as many fields as the others without quotes";
            let hint = Hint::is("quote", "\"").and(" if it does, or ").and_is("quote", "none");
            Problem::new(message).hint(hint)
        })
    }

    fn doubt_of_escape(&self) -> Option<Problem> {
        let is_quote = self.reasons.contains(&Reason::UnclearApostrophe);
        (is_quote || self.reasons.contains(&Reason::UnclearEscape)).then(|| {
            let message = "cannot tell whether `\\` is an escape: in the first records it stands only before \
                           quotes, delimiters and itself";
            let mut hint = Hint::is("escape", "\\");
            if is_quote {
                hint = hint.and(" ").and_is("quote", "'");
            }
            Problem::new(message).hint(hint.and(" if it is one, or ").and_is("escape", "none"))
        })
    }

    fn doubt_of_start(&self) -> Option<Problem> {
        let best = self.best()?;
        if self.titles > 0 && self.records < self.titles as u64 + 2 {
            let lines = self.skip_lines;
            let message = "cannot tell where the table begins: there is one record below what looks like titles";
            let hint = Hint::is("skip_lines", lines).and(" or ").and_is("skip_lines", 0);
            return Some(Problem::new(message).hint(hint));
        }
        let (line, own) = self.unlike?;
        let message = format!(
            "cannot tell where the table begins: line {line} has {own} fields, and most records have {}",
            best.fields
        );
        let hint = Hint::is("skip_lines", line).and(" if the line is a title, or ");
        let hint = hint.and_is("skip_lines", line - 1).and(" if it is the header");
        Some(Problem::new(message).hint(hint))
    }

    fn doubt_of_header(&self) -> Option<Problem> {
        let header = self.header?;
        let (has_titles, line) = (self.titles > 0, self.skip_lines + 1);
        let cause = match header {
            Header::Unclear => "it has years or other values above columns of such values",
            Header::Values(_) if has_titles => {
                "it has values like the records below, and the lines above look like titles"
            }
            _ => return None,
        };
        let message =
            format!("cannot tell whether the table has a header: in its first record, {cause}");
        let hint = Hint::is("has_header", "false")
            .and(", or a recipe with `header = true` in its table `[read]`");
        let hint = match has_titles {
            true => hint.and(", and ").and_is("skip_lines", line - 1),
            false => hint,
        };
        Some(Problem::new(message).hint(hint))
    }
}
