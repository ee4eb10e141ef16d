//! Passes: what is found out about all rows before an operation that must know it.
//!
//! ```text
//!   steps    1 2 3 ┃ 4 5 ┃ 6         ┃ a cut: the step behind it has a need
//!   pass 0   1 2 3 ?                 each chunk answers the Ask with a Partial
//!                  └► Barrier        absorbs them in the order of the chunks; perhaps asks again
//!   pass 1   1 2 3 4 5 ?             with what is Known, and each chunk's own Verdict
//!   last     1 2 3 4 5 6 ► output
//! ```
//! Every pass does the same with the same bytes, so a chunk can be done by anybody, at any time,
//! again. What travels between the barrier and the chunks is in `exchange.rs`.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::aggregate::{self, Aggregate, Gather};
use crate::batch::Batch;
use crate::exchange::{Ask, Known, Partial, Verdict};
use crate::plan::{Argument, Need, Plan};
use crate::steps;

/// Does the operations from `from` up to the next cut that nothing is known for, or to the end.
pub(crate) fn advance(batch: &mut Batch, from: usize, known: &[Known], verdicts: &[Verdict]) {
    let plan = batch.plan;
    let to = plan.cuts.get(known.len()).copied().unwrap_or(plan.operations.len());
    for (at, operation) in plan.operations.iter().enumerate().take(to).skip(from) {
        let cut = plan.cuts.iter().position(|cut| *cut == at);
        let known = cut.map_or(&Known::PerChunk, |cut| &known[cut]);
        let verdict = cut.map_or(&Verdict::Nothing, |cut| &verdicts[cut]);
        steps::apply(batch, operation, known, verdict);
        // A later step may still find fault with an earlier record, which is then the first.
        batch.forget_behind_failure();
    }
}

/// Answers what is asked at a cut, of the rows that reach it.
pub(crate) fn answer(batch: &mut Batch, cut: usize, ask: &Ask) -> Partial {
    let operation = &batch.plan.operations[batch.plan.cuts[cut]];
    match (ask, operation.need()) {
        (Ask::Aggregates(asks), Need::Aggregates(wanted)) => {
            let answer =
                |(ask, (kind, argument)): (&aggregate::Ask, (aggregate::Kind, Argument))| {
                    let mut gather = Gather::new(ask);
                    steps::gather(batch, operation, argument, kind, &mut gather);
                    gather.into_partial()
                };
            Partial::Aggregates(asks.iter().zip(wanted).map(answer).collect())
        }
        (Ask::Keys { secret, .. }, Need::Duplicates(columns)) => {
            Partial::Keys(keys(batch, &columns, *secret))
        }
        (_, Need::Last(gaps)) => Partial::Last(steps::last_value(batch, gaps)),
        _ => Partial::Last(None),
    }
}

/// A hash of each row's cells in some columns (SipHash-1-3-128 with a secret; Aumasson and
/// Bernstein, 2012): rows with the same hash are taken to be equal.
fn keys(batch: &Batch, columns: &[usize], secret: (u64, u64)) -> Vec<u8> {
    let mut keys = Vec::with_capacity(16 * batch.alive.len());
    for k in 0..batch.alive.len() {
        let mut hasher = SipHasher13::new_with_keys(secret.0, secret.1);
        for column in columns {
            let content = batch.content(k, *column);
            // The length first, so that ("ab", "c") is not ("a", "bc").
            hasher.write(&(content.len() as u64).to_le_bytes());
            hasher.write(&content);
        }
        keys.extend(hasher.finish128().as_u128().to_le_bytes());
    }
    keys
}

/// Gathers what an operation must know, from the partials of all chunks in order.
#[derive(Debug)]
pub(crate) struct Barrier {
    gathering: Gathering,
    chunk: usize,
}

#[derive(Debug)]
enum Gathering {
    Aggregates(Vec<Aggregate>),
    Last { above: Option<Vec<u8>>, before: Vec<Option<Vec<u8>>> },
    Keys(Keys),
}

/// Which rows are duplicates, a range of hashes at a time: as many as memory holds.
#[derive(Debug)]
struct Keys {
    secret: (u64, u64),
    seen: HashSet<u128, BuildHasherDefault<Low>>,
    limit: usize,
    from: u128,
    to: u128,
    duplicates: Vec<Vec<u8>>,
}

/// Hashes of hashes: the low half is as good as any.
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
    /// For a cut of a plan. `memory` is how many bytes it may hold; `secret` is random.
    pub(crate) fn new(plan: &Plan, cut: usize, memory: usize, secret: (u64, u64)) -> Barrier {
        let gathering = match plan.operations[plan.cuts[cut]].need() {
            Need::Aggregates(wanted) => {
                let each = memory / wanted.len().max(1);
                let aggregates = wanted.iter().map(|(kind, _)| Aggregate::new(*kind, each));
                Gathering::Aggregates(aggregates.collect())
            }
            Need::Last(_) => Gathering::Last { above: None, before: Vec::new() },
            Need::Duplicates(_) | Need::Nothing => Gathering::Keys(Keys {
                secret,
                seen: HashSet::default(),
                // A set takes 17 bytes for each of its places, and half of them may be free.
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
            Gathering::Last { .. } => Ask::Last,
            Gathering::Keys(keys) => {
                Ask::Keys { secret: keys.secret, from: keys.from, to: keys.to }
            }
        }
    }

    /// Takes the next chunk's answer.
    pub(crate) fn absorb(&mut self, partial: Partial) {
        match (&mut self.gathering, partial) {
            (Gathering::Aggregates(aggregates), Partial::Aggregates(partials)) => {
                for (aggregate, partial) in aggregates.iter_mut().zip(partials) {
                    aggregate.merge(partial);
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

    /// After the last chunk: whether all is known. If not, every chunk is asked again.
    pub(crate) fn finish_round(&mut self) -> bool {
        self.chunk = 0;
        match &mut self.gathering {
            Gathering::Aggregates(aggregates) => {
                // All of them, also those after one that is not done.
                aggregates.iter_mut().fold(true, |done, aggregate| aggregate.finish_round() & done)
            }
            Gathering::Last { .. } => true,
            Gathering::Keys(keys) => keys.finish_round(),
        }
    }

    pub(crate) fn known(&self) -> Known {
        match &self.gathering {
            Gathering::Aggregates(aggregates) => {
                Known::Aggregates(aggregates.iter().map(Aggregate::value).collect())
            }
            _ => Known::PerChunk,
        }
    }

    pub(crate) fn verdict(&self, chunk: usize) -> Verdict {
        match &self.gathering {
            Gathering::Aggregates(_) => Verdict::Nothing,
            Gathering::Last { before, .. } => Verdict::Last(before.get(chunk).cloned().flatten()),
            Gathering::Keys(keys) => {
                Verdict::Duplicates(keys.duplicates.get(chunk).cloned().unwrap_or_default())
            }
        }
    }
}

impl Keys {
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
            // The upper half of the range is for another round.
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
