//! Finds the dialect of a file from its first records.
//!
//! The sample is the first [`SAMPLE`] bytes *after what is skipped* (byte order mark, skipped
//! lines, comments, blank lines, a `sep=;` line). Only whole records of it count, so the result
//! does not depend on how many more bytes the caller has. What the caller gives is fixed; [`Find`]
//! says what is found. Steps, each in a file of its own:
//!
//! 1. `sep_line`: a line `sep=;` names the delimiter.
//! 2. `quoting`: for each candidate delimiter, the notation of quotes.
//! 3. `score`: the candidates divide the sample (`divide`), and the best delimiter wins. Its mode n
//!    is the most frequent number of fields. Its share p is that of the records with n fields;
//!    records with one field more or less count half. The score is p² · log(n + 1): a good
//!    delimiter divides most records alike, into many fields. A candidate that divides the first
//!    record (the header) like the others is preferred to one that does not. Commas that only stand
//!    between digits are taken for decimal signs if another candidate will do.
//! 4. `unusual`: a delimiter other than comma, tab, semicolon and bar has to be proven.
//! 5. `titles`: lines above the table.
//! 6. `header`: whether the first record names the columns.
//! 7. `doubt`: a choice that another one equals is an error that shows the alternatives.

mod divide;
mod doubt;
mod evidence;
mod header;
mod quoting;
mod score;
mod sep_line;
mod settings;
mod titles;
mod unusual;

use crate::dialect::Dialect;
use crate::head::{HeadFound, after_skipped, count_lines, first_record, top_of};
use crate::separator::Separator;

use divide::Division;
pub use header::Header;
pub use score::Score;
pub(crate) use score::scores_of;
pub(crate) use sep_line::sep_line_of;
use sep_line::{SepLine, sep_line};
pub use settings::{Find, Reason};

/// Length of the sample in bytes.
pub(crate) const SAMPLE: usize = 64 << 10;

/// The dialect that the first records of a file show.
#[derive(Debug, Clone, PartialEq)]
pub struct Detected {
    /// The dialect as given, with the settings that were found.
    pub dialect: Dialect,
    /// Number of lines to skip before the header: the given number, or all lines up to a `sep=;`
    /// line, and titles.
    pub skip_lines: u64,
    /// True if a `sep=;` line names the delimiter.
    pub by_sep_line: bool,
    /// True if the delimiter was found.
    pub by_records: bool,
    /// The number of records in the sample.
    pub records: u64,
    /// Scores of the candidates, the best first. Empty for an empty file; and, unless more than the
    /// delimiter is to be found, for one with a `sep=` line.
    pub scores: Vec<Score>,
    /// Reasons for what differs from the default.
    pub reasons: Vec<Reason>,
    /// Number of titles that are skipped.
    pub titles: usize,
    /// Line and number of fields of the first record of the table, if it has not as many fields as
    /// most.
    unlike: Option<(u64, usize)>,
    /// A delimiter that divides all records alike, for a file that has one column otherwise.
    unproven: Option<Score>,
    /// Whether there is a header, if that was to be found.
    pub header: Option<Header>,
}

/// Finds the dialect of a file from its first `bytes`; `is_whole` is true if these are all bytes.
/// What is not to be found is as in `given`; `skip_lines` lines come before the header. Returns
/// `None` if more bytes are needed.
pub fn detect(
    bytes: &[u8],
    is_whole: bool,
    given: &Dialect,
    skip_lines: u64,
    find: Find,
) -> Option<Detected> {
    let mut detected = Detected {
        dialect: given.clone(),
        skip_lines,
        by_sep_line: false,
        by_records: find.delimiter,
        records: 0,
        scores: Vec::new(),
        reasons: Vec::new(),
        titles: 0,
        unlike: None,
        unproven: None,
        header: None,
    };
    let at = match top_of(given, bytes, skip_lines, is_whole) {
        Ok(at) => at,
        Err(HeadFound::More) => return None,
        Err(_) => return Some(detected),
    };
    let Some((mut start, _)) = first_record(given, bytes, at) else {
        return is_whole.then_some(detected);
    };
    if find.delimiter {
        match sep_line(&bytes[start..], is_whole, given) {
            SepLine::Names(delimiter) => {
                detected.dialect.delimiter = delimiter.into();
                detected.skip_lines = count_lines(&bytes[..start], false) + 1;
                (detected.by_sep_line, detected.by_records) = (true, false);
            }
            SepLine::Perhaps => return None,
            SepLine::Not => {}
        }
    }
    if detected.by_sep_line {
        if find == Find::DELIMITER {
            return Some(detected);
        }
        let Ok(at) = after_skipped(bytes, detected.skip_lines, is_whole) else {
            return is_whole.then_some(detected);
        };
        match first_record(&detected.dialect, bytes, at) {
            Some((first, _)) => start = first,
            None => return is_whole.then_some(detected),
        }
    }
    let is_all = is_whole && bytes.len() - start <= SAMPLE;
    if !is_all && bytes.len() - start < SAMPLE {
        return None;
    }
    let sample = &bytes[start..bytes.len().min(start + SAMPLE)];
    if find == Find::DELIMITER {
        (detected.scores, detected.records) = scores_of(given, sample, is_all);
        let best = detected.best().map(|score| score.delimiter);
        detected.dialect.delimiter = best.unwrap_or(given.delimiter);
        return Some(detected);
    }
    let before = count_lines(&bytes[..start], false);
    detected.find(find, sample, is_all, before);
    Some(detected)
}

impl Detected {
    /// Finds settings in a sample, above which there are `before` lines.
    fn find(&mut self, find: Find, sample: &[u8], is_all: bool, before: u64) {
        let given = self.dialect.clone();
        let delimiters: Vec<Separator> = match self.by_records {
            true => score::candidates(&given, &score::CANDIDATES).map(Separator::from).collect(),
            false => vec![given.delimiter],
        };
        let quoting = |delimiter| {
            let with = Dialect { delimiter, ..given.clone() };
            quoting::quoting_of(&with, find, sample, is_all)
        };
        let mut divisions = Vec::new();
        let mut reasons = Vec::new();
        for delimiter in delimiters {
            let (dialect, why) = quoting(delimiter);
            let division = Division::new(dialect.clone(), sample, is_all);
            divisions.push((Score::of(delimiter, &division.counts()), division));
            reasons.push((dialect, why));
        }
        let records = divisions.iter().map(|(_, division)| division.records().count()).max();
        self.records = records.unwrap_or(0) as u64;
        self.scores = score::ranked(given.delimiter, &divisions);
        let mut delimiter = self.best().map_or(given.delimiter, |best| best.delimiter);
        if self.by_records {
            let best = self.best().copied();
            let chosen = divisions.iter().find(|(score, _)| score.delimiter == delimiter);
            if let Some((score, division)) = chosen
                && score.is_good()
                && let Some(doubled) = unusual::doubled(division, score.fields)
            {
                delimiter = doubled;
                let fields = score.fields.div_ceil(2);
                self.scores[0] = Score { delimiter, fields, ..*score };
            } else if !best.is_some_and(|best| best.divides_all())
                && let Some(unusual) =
                    unusual::unusual(&given, best.as_ref(), sample, is_all, quoting)
            {
                if unusual.is_proven {
                    delimiter = unusual.score.delimiter;
                    self.scores.clear();
                    self.scores.push(unusual.score);
                } else if !best.is_some_and(|best| best.divides()) {
                    self.unproven = Some(unusual.score);
                }
            }
        }
        let (dialect, why) = match reasons.into_iter().find(|(own, _)| own.delimiter == delimiter) {
            Some(chosen) => chosen,
            None => quoting(delimiter),
        };
        let division = Division::new(dialect.clone(), sample, is_all);
        (self.dialect, self.reasons) = (dialect, why);
        let fields = self.best().map_or(1, |best| best.fields);
        let mut table = 0;
        if find.titles {
            let titles = titles::titles_of(&division, fields);
            self.titles = titles.records;
            table = titles.table;
            let lines = before + count_lines(&sample[..table], false);
            if titles.records > 0 {
                self.skip_lines = lines;
            }
            self.unlike = (titles.fields != fields && self.records > 0 && fields > 1)
                .then_some((lines + 1, titles.fields));
        }
        if find.header && self.unlike.is_none() {
            let header = header::header_of(&division, table, fields);
            self.dialect.has_header = header.is_present();
            self.header = Some(header);
        }
    }

    /// The score of the chosen delimiter, if scores decided.
    pub fn best(&self) -> Option<&Score> {
        self.scores.first()
    }
}

#[cfg(test)]
mod tests;
