//! What was found besides the delimiter, and why, in words for the report.

use super::{Detected, Header, Reason};
use crate::wording::counted;

impl Detected {
    /// What was found besides the delimiter, with its reason, a sentence each.
    pub fn evidence(&self) -> Vec<String> {
        let reasons = self.reasons.iter().filter_map(|reason| reason.told());
        let mut told: Vec<String> = reasons.map(str::to_owned).collect();
        if self.titles > 0 {
            let titles = counted(self.titles as u64, "title");
            told.push(format!("lines above the table: {} with {titles}", self.skip_lines));
        }
        told.extend(self.header.and_then(Header::told));
        told
    }
}

impl Reason {
    fn told(self) -> Option<&'static str> {
        match self {
            Reason::SingleQuote => Some("quote: `'`, which encloses fields that need it, or all"),
            Reason::NoQuote => {
                Some("quote: none; `\"` begins fields, but encloses none that need it")
            }
            Reason::Escape => Some("escape: `\\`, which stands before quotes or delimiters"),
            Reason::InitialSpace => Some(
                "spaces before fields are skipped: one follows each delimiter, or quotes follow",
            ),
            Reason::UnclearQuote | Reason::UnclearEscape | Reason::UnclearApostrophe => None,
        }
    }
}

impl Header {
    fn told(self) -> Option<String> {
        let columns = |number: usize| counted(number as u64, "column");
        match self {
            Header::Names(number) => Some(format!(
                "header: yes; the first record has text above {} of numbers, dates or times",
                columns(number)
            )),
            Header::Years => Some("header: yes; the first record has years in order".to_owned()),
            Header::Values(number) => Some(format!(
                "header: none; the first record has numbers, dates or times as the others in {}",
                columns(number)
            )),
            Header::Assumed => Some(
                "header: assumed; no column of numbers, dates or times tells whether there is one"
                    .to_owned(),
            ),
            Header::Unclear => None,
        }
    }
}
