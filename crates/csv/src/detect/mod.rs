//! Detects the delimiter of a file from its first records.
//!
//! Each candidate divides the sample into records, taking quotes into account. Its mode n is the
//! most frequent number of fields. Its share p is that of the records with n fields; records with
//! one field more or less count half. The score is p² · log(n + 1): a good delimiter divides most
//! records alike, into many fields. A candidate that divides the first record (the header) like the
//! others is preferred to one that does not. Commas that only stand between digits are taken for
//! decimal signs if another candidate will do.
//!
//! The sample is the first [`SAMPLE`] bytes *after what is skipped* (byte order mark, skipped
//! lines, comments, blank lines, a `sep=;` line). Only whole records of it count, so the result
//! does not depend on how many more bytes the caller has.

use crate::dialect::Dialect;
use crate::head::{HeadFound, count_lines, first_record, top_of};
use crate::problem::{Hint, Problem, ProblemKind};
use crate::record::Records;
use crate::scan::{Ends, Scanner, State};
use crate::separator::Separator;

/// Length of the sample in bytes.
pub(crate) const SAMPLE: usize = 64 << 10;
/// Candidate delimiters; earlier ones win ties.
pub(crate) const CANDIDATES: [u8; 4] = *b",\t;|";
/// If the score of another candidate is at least this fraction of the best score, the choice is
/// uncertain.
const CLOSE: f64 = 0.95;
/// Maximum number of lines before the header that may be titles.
const TITLES: usize = 10;

/// The delimiter that the first records of a file show.
#[derive(Debug, Clone, PartialEq)]
pub struct Detected {
    /// The delimiter that divides them best.
    pub delimiter: Separator,
    /// Number of lines to skip before the header: the given number, or all lines up to a `sep=;`
    /// line.
    pub skip_lines: u64,
    /// True if a `sep=;` line names the delimiter.
    pub by_sep_line: bool,
    /// The number of records in the sample.
    pub records: u64,
    /// Scores of the candidates, the best first. Empty for an empty file and for one with a `sep=`
    /// line.
    pub scores: Vec<Score>,
}

/// The score of one candidate on the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// The candidate.
    pub delimiter: u8,
    /// The most frequent number of fields.
    pub fields: usize,
    /// Share of the records with that number of fields, from 0 to 1. Lines above the header that
    /// look like titles are left out.
    pub share: f64,
    /// p² · log(n + 1).
    pub score: f64,
    /// True if the first record has as many fields as most records.
    pub header_agrees: bool,
}

impl Score {
    fn divides(&self) -> bool {
        self.fields > 1
    }
}

/// Detects the delimiter of a file from its first `bytes`; `is_whole` is true if these are all
/// bytes. The rest of the dialect is as in `given`; `skip_lines` lines come before the header.
/// Returns `None` if more bytes are needed.
pub fn detect(bytes: &[u8], is_whole: bool, given: &Dialect, skip_lines: u64) -> Option<Detected> {
    let mut detected = Detected {
        delimiter: given.delimiter,
        skip_lines,
        by_sep_line: false,
        records: 0,
        scores: Vec::new(),
    };
    let at = match top_of(given, bytes, skip_lines, is_whole) {
        Ok(at) => at,
        Err(HeadFound::More) => return None,
        Err(_) => return Some(detected),
    };
    let Some((start, _)) = first_record(given, bytes, at) else {
        return is_whole.then_some(detected);
    };
    match sep_line(&bytes[start..], is_whole, given) {
        SepLine::Names(delimiter) => {
            let skip_lines = count_lines(&bytes[..start], false) + 1;
            return Some(Detected {
                delimiter: delimiter.into(),
                skip_lines,
                by_sep_line: true,
                ..detected
            });
        }
        SepLine::Perhaps => return None,
        SepLine::Not => {}
    }
    let is_all = is_whole && bytes.len() - start <= SAMPLE;
    if !is_all && bytes.len() - start < SAMPLE {
        return None;
    }
    let sample = &bytes[start..bytes.len().min(start + SAMPLE)];
    (detected.scores, detected.records) = scores_of(given, sample, is_all);
    detected.delimiter = detected.best().map_or(given.delimiter, |score| score.delimiter.into());
    Some(detected)
}

/// Scores of the candidates, the best first, and the number of records in the sample. `is_all` is
/// true if the file ends with the sample.
pub(crate) fn scores_of(given: &Dialect, sample: &[u8], is_all: bool) -> (Vec<Score>, u64) {
    let candidates = CANDIDATES
        .into_iter()
        .filter(|byte| ![given.quote, given.comment, given.escape].contains(&Some(*byte)));
    let candidates: Vec<Candidate> =
        candidates.map(|byte| Candidate::new(given, byte, sample, is_all)).collect();
    let mut scores: Vec<Score> = candidates.iter().map(Candidate::score).collect();
    let is_better = |score: &Score| score.divides() && score.share >= 0.8;
    // Decimal signs also divide numbers alike.
    let has_other = scores.iter().any(|score| score.delimiter != b',' && is_better(score));
    let is_decimal = candidates.iter().any(|look| look.delimiter == b',' && look.is_decimal);
    let agreed = scores.iter().any(|score| is_better(score) && score.header_agrees);
    let rank = |score: &Score| {
        let is_sign = score.delimiter == b',' && is_decimal && has_other;
        let disagrees = agreed && score.divides() && !(is_better(score) && score.header_agrees);
        // If no candidate divides anything, the given delimiter wins.
        (is_sign, disagrees, -score.score, given.delimiter != score.delimiter)
    };
    scores.sort_by(|a, b| rank(a).partial_cmp(&rank(b)).expect("scores are numbers"));
    scores.retain(|score| !rank(score).0);
    let records = candidates.iter().map(|look| look.counts.len()).max().unwrap_or(0);
    (scores, records as u64)
}

impl Detected {
    /// The score of the chosen delimiter, if scores decided.
    pub fn best(&self) -> Option<&Score> {
        self.scores.first()
    }

    /// Why the choice is uncertain, if it is: another candidate is as good, or none is good.
    pub fn doubt(&self) -> Option<Problem> {
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
                named(score.delimiter),
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
            hint = hint.and_is("delimiter", setting(score.delimiter));
        }
        if alternatives.len() == 1 {
            hint = hint.and(" if that is right");
        }
        let problem = Problem::new(format!("cannot tell the delimiter: {}", text.join("; ")))
            .of(ProblemKind::Format);
        Some(problem.hint(hint))
    }
}

/// Name of a delimiter in a message.
pub(crate) fn named(delimiter: u8) -> String {
    Separator::Byte(delimiter).named()
}

/// A delimiter as the value of a setting.
pub(crate) fn setting(delimiter: u8) -> String {
    Separator::Byte(delimiter).to_string()
}

enum SepLine {
    Names(u8),
    Not,
    /// The end of the line is still missing.
    Perhaps,
}

/// Looks for a `sep=;` line where the header would begin, as Excel reads and writes it.
fn sep_line(bytes: &[u8], is_whole: bool, given: &Dialect) -> SepLine {
    const LONGEST: usize = "\"sep=;\"".len();
    let first = &bytes[..bytes.len().min(LONGEST + 1)];
    let line = match memchr::memchr2(b'\n', b'\r', first) {
        Some(end) => &first[..end],
        None if first.len() > LONGEST => return SepLine::Not,
        None if is_whole => first,
        None => {
            let begins = |word: &[u8]| {
                let len = word.len().min(first.len());
                first[..len].eq_ignore_ascii_case(&word[..len])
            };
            return if begins(b"sep=") || begins(b"\"sep=") {
                SepLine::Perhaps
            } else {
                SepLine::Not
            };
        }
    };
    sep_line_of(line, given).map_or(SepLine::Not, SepLine::Names)
}

/// The delimiter named by a `sep=;` line.
pub(crate) fn sep_line_of(line: &[u8], given: &Dialect) -> Option<u8> {
    let line = match line {
        [b'"', line @ .., b'"'] => line,
        line => line,
    };
    match line {
        [name @ .., byte]
            if name.eq_ignore_ascii_case(b"sep=")
                && byte.is_ascii()
                && !byte.is_ascii_alphanumeric()
                && ![given.quote, given.comment, given.escape].contains(&Some(*byte)) =>
        {
            Some(*byte)
        }
        _ => None,
    }
}

/// The sample as one candidate divides it.
struct Candidate {
    delimiter: u8,
    /// The number of fields of each record.
    counts: Vec<usize>,
    /// True if the candidate occurs, and outside quotes only between digits.
    is_decimal: bool,
}

impl Candidate {
    fn new(given: &Dialect, delimiter: u8, sample: &[u8], is_all: bool) -> Candidate {
        let mut dialect = Dialect { delimiter: delimiter.into(), ..given.clone() };
        let look = |dialect: &Dialect| {
            let mut ends = Ends::default();
            let scanner = Scanner::best(dialect);
            let state = scanner.scan(dialect, State::RecordStart, sample, 0, &mut ends);
            (ends, state)
        };
        let last_end = |ends: &Ends| ends.rows.last().map_or(0, |row| ends.fields[*row as usize]);
        let (mut ends, mut state) = look(&dialect);
        if state.is_quoted() && (last_end(&ends) as usize) < sample.len() / 2 {
            // A quote that is never closed would hide most of the sample.
            dialect.quote = None;
            (ends, state) = look(&dialect);
        }
        let is_open = !state.is_between();
        // The last record may be incomplete; but if it is longer than the sample, it is all there
        // is.
        if is_open && (is_all && !state.is_quoted() || ends.rows.is_empty()) {
            ends.fields.push(sample.len() as u32);
            ends.rows.push(ends.fields.len() as u32 - 1);
        }
        let records = Records::new(&dialect, sample, 0, &ends).filter(|record| !record.is_blank());
        let counts = records.map(|record| record.fields().count()).collect();
        let digit =
            |at: Option<usize>| at.is_some_and(|at| sample.get(at).is_some_and(u8::is_ascii_digit));
        let mut delimiters = ends
            .fields
            .iter()
            .map(|at| *at as usize)
            .filter(|at| sample.get(*at) == Some(&delimiter));
        let is_sign = |at: usize| digit(at.checked_sub(1)) && digit(Some(at + 1));
        let is_decimal = delimiters.next().is_some_and(is_sign) && delimiters.all(is_sign);
        Candidate { delimiter, counts, is_decimal }
    }

    fn score(&self) -> Score {
        let titles = self.counts.iter().take_while(|count| **count == 1).count();
        let (titles, rows) = match titles <= TITLES && 2 * titles <= self.counts.len() {
            true => self.counts.split_at(titles),
            false => self.counts.split_at(0),
        };
        let mut frequencies = std::collections::BTreeMap::new();
        rows.iter().for_each(|count| *frequencies.entry(*count).or_insert(0_u32) += 1);
        // The greatest of equally frequent ones.
        let mode = frequencies.iter().max_by_key(|(_, frequency)| **frequency);
        let fields = mode.map_or(1, |(count, _)| *count);
        let of = |count: usize| f64::from(frequencies.get(&count).copied().unwrap_or(0));
        // Titles are not records, but many of them make the choice doubtful.
        let all = (rows.len() as f64).max(1.0) + titles.len() as f64 / 4.0;
        let p = (of(fields) + (of(fields - 1) + of(fields + 1)) / 2.0) / all;
        Score {
            delimiter: self.delimiter,
            fields,
            share: of(fields) / (rows.len() as f64).max(1.0),
            score: p * p * (fields as f64 + 1.0).ln(),
            header_agrees: self.counts.first() == Some(&fields),
        }
    }
}

#[cfg(test)]
mod tests;
