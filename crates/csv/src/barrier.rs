//! The barrier at a cut: combines the answers of all chunks into what the step behind the cut must
//! know.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use crate::aggregate::Aggregate;
use crate::evidence::{Decision, Evidence};
use crate::exchange::{Ask, Known, Partial, Verdict};
use crate::operation::Need;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::report::Note;

/// Combines the partial results of all chunks, in order, for one operation.
#[derive(Debug)]
pub(crate) struct Barrier {
    gathering: Gathering,
    chunk: usize,
}

#[derive(Debug)]
enum Gathering {
    Aggregates(Vec<Aggregate>),
    Evidence(Vec<Evidence>),
    Last { above: Option<Vec<u8>>, before: Vec<Option<Vec<u8>>> },
    Keys(DuplicateKeys),
}

/// Finds duplicate rows, one range of hashes at a time: as many as fit into memory.
#[derive(Debug)]
struct DuplicateKeys {
    secret: (u64, u64),
    seen: HashSet<u128, BuildHasherDefault<Low>>,
    limit: usize,
    from: u128,
    to: u128,
    duplicates: Vec<Vec<u8>>,
}

/// Hashes keys that are hashes already: takes their low half.
#[derive(Default)]
struct Low(u64);

impl Hasher for Low {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u128 is hashed")
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Barrier {
    /// The barrier at a cut of a plan. `memory` is its limit in bytes; `secret` is random.
    pub(crate) fn new(plan: &Plan, cut: usize, memory: usize, secret: (u64, u64)) -> Barrier {
        let gathering = match plan.need_at(cut) {
            Need::Aggregates(wanted) => {
                let each = memory / wanted.len().max(1);
                let aggregates = wanted.iter().map(|(kind, _)| Aggregate::new(*kind, each));
                Gathering::Aggregates(aggregates.collect())
            }
            Need::Ways(wanted) => Gathering::Evidence(vec![Evidence::default(); wanted.len()]),
            Need::Last(_) => Gathering::Last { above: None, before: Vec::new() },
            Need::Duplicates(_) | Need::Nothing => Gathering::Keys(DuplicateKeys {
                secret,
                seen: HashSet::default(),
                // A set takes 17 bytes per slot, and up to half of the slots are free.
                limit: (memory / 34).max(1),
                from: 0,
                to: u128::MAX,
                duplicates: Vec::new(),
            }),
        };
        Barrier { gathering, chunk: 0 }
    }

    pub(crate) fn ask(&self) -> Ask {
        match &self.gathering {
            Gathering::Aggregates(aggregates) => {
                Ask::Aggregates(aggregates.iter().map(Aggregate::ask).collect())
            }
            Gathering::Evidence(_) => Ask::Evidence,
            Gathering::Last { .. } => Ask::Last,
            Gathering::Keys(keys) => {
                Ask::Keys { secret: keys.secret, from: keys.from, to: keys.to }
            }
        }
    }

    /// Absorbs the answer of the next chunk.
    pub(crate) fn absorb(&mut self, partial: Partial) {
        match (&mut self.gathering, partial) {
            (Gathering::Aggregates(aggregates), Partial::Aggregates(partials)) => {
                for (aggregate, partial) in aggregates.iter_mut().zip(partials) {
                    aggregate.merge(partial);
                }
            }
            (Gathering::Evidence(columns), Partial::Evidence(partials)) => {
                for (evidence, partial) in columns.iter_mut().zip(partials) {
                    evidence.merge(partial);
                }
            }
            (Gathering::Last { above, before }, Partial::Last(last)) => {
                before.push(above.clone());
                if last.is_some() {
                    *above = last;
                }
            }
            (Gathering::Keys(keys), Partial::Keys(hashes)) => keys.absorb(self.chunk, &hashes),
            _ => debug_assert!(false, "a chunk answered something else"),
        }
        self.chunk += 1;
    }

    /// Call this after the last chunk. Returns whether everything is known; if not, every chunk is
    /// asked again.
    pub(crate) fn finish_round(&mut self) -> bool {
        self.chunk = 0;
        match &mut self.gathering {
            Gathering::Aggregates(aggregates) => {
                // Finishes the round of all aggregates, also of those behind an unfinished one.
                aggregates.iter_mut().fold(true, |done, aggregate| aggregate.finish_round() & done)
            }
            Gathering::Evidence(_) | Gathering::Last { .. } => true,
            Gathering::Keys(keys) => keys.finish_round(),
        }
    }

    /// The facts for the operation at the cut of a plan, and what is to be told about them.
    ///
    /// # Errors
    /// If the cells of a column do not prove how it is written.
    pub(crate) fn known(&self, plan: &Plan, cut: usize) -> Result<(Known, Vec<Note>), Problem> {
        let known = match (&self.gathering, plan.need_at(cut)) {
            (Gathering::Aggregates(aggregates), _) => {
                Known::Aggregates(aggregates.iter().map(Aggregate::value).collect())
            }
            (Gathering::Evidence(columns), Need::Ways(wanted)) => {
                let (mut ways, mut notes) = (Vec::new(), Vec::new());
                let step = plan.operations[plan.cuts[cut]].step;
                for (evidence, (column, search)) in columns.iter().zip(wanted) {
                    let (name, step_name) =
                        (&plan.layout.names[column], plan.layout.step_name(step));
                    let Decision { way, note } = search
                        .decide(evidence)
                        .map_err(|problem| problem.in_step(step, step_name).in_column(name))?;
                    ways.push(way);
                    notes.extend(note.map(|note| Note::from(format!("column {name:?} {note}"))));
                }
                return Ok((Known::Ways(ways), notes));
            }
            _ => Known::PerChunk,
        };
        Ok((known, Vec::new()))
    }

    pub(crate) fn verdict(&self, chunk: usize) -> Verdict {
        match &self.gathering {
            Gathering::Aggregates(_) | Gathering::Evidence(_) => Verdict::Nothing,
            Gathering::Last { before, .. } => Verdict::Last(before.get(chunk).cloned().flatten()),
            Gathering::Keys(keys) => {
                Verdict::Duplicates(keys.duplicates.get(chunk).cloned().unwrap_or_default())
            }
        }
    }
}

impl DuplicateKeys {
    fn absorb(&mut self, chunk: usize, hashes: &[u8]) {
        if self.duplicates.len() <= chunk {
            self.duplicates.resize_with(chunk + 1, Vec::new);
        }
        let (hashes, _) = hashes.as_chunks::<16>();
        for (k, hash) in hashes.iter().enumerate() {
            let hash = u128::from_le_bytes(*hash);
            if hash < self.from || hash > self.to || self.seen.insert(hash) {
                continue;
            }
            let bits = &mut self.duplicates[chunk];
            if bits.len() <= k / 8 {
                bits.resize(k / 8 + 1, 0);
            }
            bits[k / 8] |= 1 << (k % 8);
        }
        while self.seen.len() > self.limit && self.to > self.from {
            // The upper half of the range waits for another round.
            self.to = self.from + (self.to - self.from) / 2;
            let to = self.to;
            self.seen.retain(|hash| *hash <= to);
        }
    }

    fn finish_round(&mut self) -> bool {
        self.seen = HashSet::default();
        if self.to == u128::MAX {
            return true;
        }
        self.from = self.to + 1;
        self.to = u128::MAX;
        false
    }
}
