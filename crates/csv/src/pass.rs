//! Passes: an operation that must know all rows is preceded by a pass that collects the facts.
//!
//! ```text
//!   steps    1 2 3 ┃ 4 5 ┃ 6         ┃ a cut: the step behind it has a need
//!   pass 0   1 2 3 ?                 each chunk answers the Ask with a Partial
//!                  └► Barrier        absorbs them in the order of the chunks; may ask again
//!   pass 1   1 2 3 4 5 ?             with the Known facts, and each chunk's own Verdict
//!   last     1 2 3 4 5 6 ► output
//! ```
//! Every pass does the same with the same bytes, so any process may do a chunk at any time, and
//! repeat it. `exchange.rs` has the data that travel between the barrier and the chunks.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::aggregate::{self, Gather};
use crate::batch::Batch;
use crate::evidence::{Evidence, Search};
use crate::exchange::{Ask, Known, Partial, Verdict};
use crate::gather::gather;
use crate::operation::{Argument, Found, Need};
use crate::plan::Plan;

/// Applies the operations from `from` up to the next cut without known facts, or to the end.
pub(crate) fn advance(
    plan: &Plan,
    batch: &mut Batch,
    from: usize,
    known: &[Known],
    verdicts: &[Verdict],
) {
    let to = plan.cuts.get(known.len()).copied().unwrap_or(plan.operations.len());
    for (at, planned) in plan.operations.iter().enumerate().take(to).skip(from) {
        let cut = plan.cuts.iter().position(|cut| *cut == at);
        let found = Found {
            known: cut.map_or(&Known::PerChunk, |cut| &known[cut]),
            verdict: cut.map_or(&Verdict::Nothing, |cut| &verdicts[cut]),
        };
        planned.operation.apply(batch, planned.step, found);
        // A later step may still reject an earlier record, which is then the first one.
        batch.forget_behind_failure();
    }
}

/// Answers the question of a cut for the rows that reach it.
pub(crate) fn answer(plan: &Plan, batch: &mut Batch, cut: usize, ask: &Ask) -> Partial {
    match (ask, plan.need_at(cut)) {
        (Ask::Aggregates(asks), Need::Aggregates(wanted)) => {
            let answer = |(ask, (kind, argument)): (&aggregate::Ask, (_, Argument<'_>))| {
                let mut sum = Gather::new(ask);
                gather(batch, argument, kind, &mut sum);
                sum.into_partial()
            };
            Partial::Aggregates(asks.iter().zip(wanted).map(answer).collect())
        }
        (Ask::Keys { secret, .. }, Need::Duplicates(columns)) => {
            Partial::Keys(keys(batch, columns, *secret))
        }
        (Ask::Evidence, Need::Ways(wanted)) => {
            let of =
                |(column, search): &(usize, &dyn Search)| Evidence::of(batch, *column, *search);
            Partial::Evidence(wanted.iter().map(of).collect())
        }
        (_, Need::Last(gaps)) => Partial::Last(gaps.last_value(batch)),
        _ => Partial::Last(None),
    }
}

/// A hash of each row's cells in some columns (SipHash-1-3-128 with a secret; Aumasson and
/// Bernstein, 2012). Rows with the same hash count as equal.
fn keys(batch: &Batch, columns: &[usize], secret: (u64, u64)) -> Vec<u8> {
    let mut keys = Vec::with_capacity(16 * batch.selection.len());
    for k in 0..batch.selection.len() {
        let mut hasher = SipHasher13::new_with_keys(secret.0, secret.1);
        for column in columns {
            let content = batch.content(k, *column);
            // The length comes first, so that ("ab", "c") differs from ("a", "bc").
            hasher.write(&(content.len() as u64).to_le_bytes());
            hasher.write(&content);
        }
        keys.extend(hasher.finish128().as_u128().to_le_bytes());
    }
    keys
}
