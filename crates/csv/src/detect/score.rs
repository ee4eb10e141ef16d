//! Scores of candidates for the delimiter: how much alike they divide the records of the sample.

use std::collections::BTreeMap;

use super::divide::Division;
use crate::dialect::Dialect;
use crate::separator::Separator;

/// Candidate delimiters; earlier ones win ties.
pub(crate) const CANDIDATES: [u8; 4] = *b",\t;|";
/// Maximum number of lines before the header that may be titles.
pub(super) const TITLES: usize = 10;

/// The score of one candidate on the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// The candidate.
    pub delimiter: Separator,
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
    pub(super) fn divides(&self) -> bool {
        self.fields > 1
    }

    /// Returns whether it divides most records alike.
    pub(super) fn is_good(&self) -> bool {
        self.divides() && self.share >= 0.8
    }

    /// Returns whether it divides all records alike.
    pub(super) fn divides_all(&self) -> bool {
        self.divides() && self.share == 1.0 && self.header_agrees
    }

    /// The score of a delimiter that divides the records into these numbers of fields.
    pub(super) fn of(delimiter: Separator, counts: &[usize]) -> Score {
        let titles = counts.iter().take_while(|count| **count == 1).count();
        let (titles, rows) = match titles <= TITLES && 2 * titles <= counts.len() {
            true => counts.split_at(titles),
            false => counts.split_at(0),
        };
        let mut frequencies = BTreeMap::new();
        rows.iter().for_each(|count| *frequencies.entry(*count).or_insert(0_u32) += 1);
        // The greatest of equally frequent ones.
        let mode = frequencies.iter().max_by_key(|(_, frequency)| **frequency);
        let fields = mode.map_or(1, |(count, _)| *count);
        let of = |count: usize| f64::from(frequencies.get(&count).copied().unwrap_or(0));
        // Titles are not records, but many of them make the choice doubtful.
        let all = (rows.len() as f64).max(1.0) + titles.len() as f64 / 4.0;
        let p = (of(fields) + (of(fields - 1) + of(fields + 1)) / 2.0) / all;
        Score {
            delimiter,
            fields,
            share: of(fields) / (rows.len() as f64).max(1.0),
            score: p * p * (fields as f64 + 1.0).ln(),
            header_agrees: counts.first() == Some(&fields),
        }
    }
}

/// Scores of the candidates, the best first, and the number of records in the sample. `is_all` is
/// true if the file ends with the sample.
pub(crate) fn scores_of(given: &Dialect, sample: &[u8], is_all: bool) -> (Vec<Score>, u64) {
    let candidates = candidates(given, &CANDIDATES);
    let divisions = candidates.map(|delimiter| {
        Division::new(Dialect { delimiter: delimiter.into(), ..given.clone() }, sample, is_all)
    });
    let divisions: Vec<(Score, Division<'_>)> = divisions
        .map(|division| (Score::of(division.dialect.delimiter, &division.counts()), division))
        .collect();
    let records = divisions.iter().map(|(_, division)| division.records().count()).max();
    (ranked(given.delimiter, &divisions), records.unwrap_or(0) as u64)
}

/// The bytes that have no other meaning in the dialect.
pub(super) fn candidates<'a>(
    given: &'a Dialect,
    bytes: &'a [u8],
) -> impl Iterator<Item = u8> + use<'a> {
    let taken = [given.quote, given.comment, given.escape];
    bytes.iter().copied().filter(move |byte| !taken.contains(&Some(*byte)))
}

/// The scores, the best first.
pub(super) fn ranked(given: Separator, divisions: &[(Score, Division<'_>)]) -> Vec<Score> {
    let scores = || divisions.iter().map(|(score, _)| *score);
    // Decimal signs also divide numbers alike.
    let has_other = scores().any(|score| score.delimiter != b',' && score.is_good());
    let is_decimal =
        divisions.iter().any(|(score, division)| score.delimiter == b',' && division.is_sign(b','));
    let agreed = scores().any(|score| score.is_good() && score.header_agrees);
    let rank = |score: &Score| {
        let is_sign = score.delimiter == b',' && is_decimal && has_other;
        let disagrees = agreed && score.divides() && !(score.is_good() && score.header_agrees);
        // If no candidate divides anything, the given delimiter wins.
        (is_sign, disagrees, -score.score, given != score.delimiter)
    };
    let mut scores: Vec<Score> = scores().collect();
    scores.sort_by(|a, b| rank(a).partial_cmp(&rank(b)).expect("scores are numbers"));
    scores.retain(|score| !rank(score).0);
    scores
}
