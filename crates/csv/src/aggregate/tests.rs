//! Values equal simple oracles, and do not depend on cuts, order or memory.

use super::*;
use crate::testing::Random;

/// The value over some chunks, merged in order or in reverse order.
fn over(kind: Kind, memory: usize, chunks: &[&[Number]], backwards: bool) -> Option<Number> {
    let mut aggregate = Aggregate::new(kind, memory);
    for round in 0.. {
        assert!(round < 2 * 22, "{kind:?} needs too many rounds");
        let ask = aggregate.ask();
        let mut partials: Vec<Partial> = chunks
            .iter()
            .map(|chunk| {
                let mut gather = Gather::new(&ask);
                chunk.iter().for_each(|number| gather.add(*number));
                gather.into_partial()
            })
            .collect();
        if backwards {
            partials.reverse();
        }
        partials.into_iter().for_each(|partial| aggregate.merge(partial));
        if aggregate.finish_round() {
            break;
        }
    }
    aggregate.value()
}

fn value(kind: Kind, numbers: &[f64]) -> Option<f64> {
    let numbers: Vec<Number> = numbers.iter().map(|float| Number::Float(*float)).collect();
    over(kind, 1 << 20, &[&numbers], false).map(Number::to_f64)
}

const KINDS: [Kind; 10] = [
    Kind::Min,
    Kind::Max,
    Kind::Sum,
    Kind::Avg,
    Kind::Count,
    Kind::Median,
    Kind::Quantile(0.5),
    Kind::Quantile(0.123),
    Kind::Stddev,
    Kind::Mad,
];

fn random_numbers(random: &mut Random, len: usize) -> Vec<Number> {
    let of = |random: &mut Random| match random.below(8) {
        0 => Number::Int(random.below(5) as i128 - 2),
        1 => Number::Float([0.0, -0.0, 1.0, -1.5][random.below(4)]),
        2 => Number::Int((i128::from(random.next()) << 20) * (random.below(3) as i128 - 1)),
        3 => Number::Float(f64::from_bits(
            random.next() & !(0x7FF << 52) | (random.below(2046) as u64) << 52,
        )),
        _ => Number::Float(random.below(1 << 20) as f64 / 100.0),
    };
    (0..len).map(|_| of(random)).collect()
}

#[test]
fn a_value_does_not_depend_on_cuts_order_or_memory() {
    let mut random = Random::new(8);
    for round in 0..300 {
        let numbers = random_numbers(&mut random, round % 70);
        for kind in KINDS {
            let whole = over(kind, 1 << 20, &[&numbers], false);
            let mut cuts: Vec<usize> = (0..3).map(|_| random.below(numbers.len() + 1)).collect();
            cuts.sort_unstable();
            let chunks = [
                &numbers[..cuts[0]],
                &numbers[cuts[0]..cuts[1]],
                &numbers[cuts[1]..cuts[2]],
                &numbers[cuts[2]..],
            ];
            for memory in [1 << 20, 64, 0] {
                for backwards in [false, true] {
                    let parts = over(kind, memory, &chunks, backwards);
                    let shown = |value: Option<Number>| format!("{value:?}");
                    assert_eq!(shown(parts), shown(whole), "{kind:?} {memory} {numbers:?}");
                }
            }
        }
    }
}

#[test]
fn adding_all_equals_adding_each() {
    let mut random = Random::new(9);
    for round in 0..500 {
        let len = if round < 490 { round % 50 } else { 5000 + round };
        let ints: Vec<bool> = (0..len).map(|_| random.below(2) == 0).collect();
        let valid: Vec<bool> = (0..len).map(|_| random.below(5) > 0).collect();
        let values: Vec<f64> = ints
            .iter()
            .map(|int| (random.below(9) as f64 - 4.0) / if *int { 1.0 } else { 2.0 })
            .collect();
        for kind in KINDS {
            let mut aggregate = Aggregate::new(kind, 1 << 20);
            if kind == Kind::Mad {
                // Its second half.
                let mut gather = Gather::new(&aggregate.ask());
                gather.add(Number::Int(1));
                aggregate.merge(gather.into_partial());
                assert!(!aggregate.finish_round());
            }
            let ask = aggregate.ask();
            let (mut all, mut each) = (Gather::new(&ask), Gather::new(&ask));
            all.add_all(&values, &valid, &ints);
            for at in (0..len).filter(|at| valid[*at]) {
                let int = Number::Int(values[at] as i128);
                each.add(if ints[at] { int } else { Number::Float(values[at]) });
            }
            assert_eq!(format!("{:?}", all.into_partial()), format!("{:?}", each.into_partial()));
        }
    }
}

#[test]
fn sums_are_rounded_once() {
    // The results of CPython's `math.fsum`.
    for (numbers, sum) in [
        (&[1e100, 1.0, -1e100][..], 1.0),
        (&[1e-16, 1.0, 1e16], 1e16 + 2.0),
        (&[0.1; 10], 1.0),
        (&[1e308, 1e308, -1e308], 1e308),
        (&[2.0_f64.powi(53), 1.0, 2.0_f64.powi(-100)], 2.0_f64.powi(53) + 2.0),
        (&[5e-324, 5e-324], 1e-323),
        (&[], 0.0),
    ] {
        let found = value(Kind::Sum, numbers);
        assert_eq!(found, Some(sum).filter(|_| !numbers.is_empty()), "{numbers:?}");
    }
}

#[test]
fn sums_of_integers_are_integers() {
    let ints = [i128::from(u64::MAX), 1, -5].map(Number::Int);
    assert!(
        matches!(over(Kind::Sum, 0, &[&ints], false), Some(Number::Int(sum)) if sum == (1 << 64) - 5)
    );
    let mixed = [Number::Int((1 << 53) + 1), Number::Float(1.0)];
    assert_eq!(
        over(Kind::Sum, 0, &[&mixed], false).map(Number::to_f64),
        Some(9_007_199_254_740_994.0)
    );
    let huge = [i128::MAX, i128::MAX].map(Number::Int);
    assert_eq!(over(Kind::Sum, 0, &[&huge], false).map(Number::to_f64), Some(2.0_f64.powi(128)));
}

#[test]
fn deviations_do_not_cancel() {
    let near = [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0];
    assert_eq!(value(Kind::Stddev, &near), Some(30_f64.sqrt()));
    assert_eq!(value(Kind::Stddev, &[2.5, 2.5]), Some(0.0));
    assert_eq!(value(Kind::Stddev, &[2.5]), None);
    assert_eq!(value(Kind::Stddev, &[1e200, -1e200]), Some(1e200 * 2_f64.sqrt()));
    assert_eq!(value(Kind::Stddev, &[f64::MAX, -f64::MAX]), None);
    // Neither is representable as a float.
    let huge = [9_007_199_254_740_995, 9_007_199_254_740_989].map(Number::Int);
    let found = over(Kind::Stddev, 0, &[&huge], false).map(Number::to_f64);
    assert_eq!(found, Some(18_f64.sqrt()));
}

#[test]
fn a_median_is_the_mean_of_the_two_in_the_middle() {
    // As NumPy's `median`; its `quantile` of 0.5 is another float.
    assert_eq!(value(Kind::Median, &[-9.4, -0.7]), Some(-5.05));
    assert_eq!(value(Kind::Quantile(0.5), &[-9.4, -0.7]), Some(-5.050_000_000_000_001));
    assert_eq!(value(Kind::Median, &[f64::MAX, f64::MAX]), Some(f64::MAX));
    assert_eq!(value(Kind::Mad, &[-f64::MAX, 0.0, f64::MAX]), Some(f64::MAX));
    assert_eq!(value(Kind::Mad, &[-f64::MAX, -f64::MAX, f64::MAX, f64::MAX]), Some(f64::MAX));
    assert_eq!(value(Kind::Mad, &[-f64::MAX, -f64::MAX, f64::MAX]), Some(0.0));
}

#[test]
fn quantiles_are_those_of_numpy() {
    let numbers = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
    for (quantile, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.5), (0.9, 6.9), (1.0, 9.0)] {
        let found = value(Kind::Quantile(quantile), &numbers).unwrap();
        assert!((found - expected).abs() < 1e-12, "{quantile}: {found}");
    }
    assert_eq!(value(Kind::Quantile(0.5), &[]), None);
    assert_eq!(value(Kind::Mad, &numbers), Some(2.0));
}

#[test]
fn a_chunk_of_many_keys_sends_buckets_and_the_quantile_is_still_exact() {
    let mut random = Random::new(10);
    let numbers: Vec<Number> =
        (0..200_000).map(|_| Number::Float(random.below(1_000_000) as f64 / 7.0)).collect();
    let mut sorted: Vec<f64> = numbers.iter().map(|number| number.to_f64()).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = (sorted[99_999] + sorted[100_000]) / 2.0;
    let (first, second) = numbers.split_at(150_000);
    for memory in [0, 1 << 10, 1 << 30] {
        let found = over(Kind::Quantile(0.5), memory, &[first, second], false).unwrap().to_f64();
        assert!((found - middle).abs() <= middle * 1e-15, "{found} {middle}");
    }
}

#[test]
fn a_finished_value_stays_while_another_aggregate_needs_more_rounds() {
    // All aggregates of a step take part in each round until all are done.
    let numbers: Vec<Number> = (0..100_000).map(|k| Number::Int(k * k)).collect();
    let mut aggregates = KINDS.map(|kind| Aggregate::new(kind, 0));
    let mut rounds = 0;
    loop {
        rounds += 1;
        for aggregate in &mut aggregates {
            let mut gather = Gather::new(&aggregate.ask());
            numbers.iter().for_each(|number| gather.add(*number));
            aggregate.merge(gather.into_partial());
        }
        let done = aggregates.each_mut().map(Aggregate::finish_round);
        if done.iter().all(|done| *done) {
            break;
        }
    }
    assert!(rounds > 2, "else this shows nothing");
    for (kind, aggregate) in KINDS.into_iter().zip(aggregates) {
        let alone = over(kind, 0, &[&numbers], false);
        assert_eq!(format!("{:?}", aggregate.value()), format!("{alone:?}"), "{kind:?}");
    }
}

#[test]
fn a_sum_of_integers_survives_an_intermediate_overflow() {
    const HUGE: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;
    for numbers in [[HUGE, HUGE, -HUGE], [HUGE, -HUGE, HUGE], [-HUGE, HUGE, HUGE]] {
        let sum = over(Kind::Sum, 0, &[&numbers.map(Number::Int)], false);
        assert!(matches!(sum, Some(Number::Int(HUGE))), "{numbers:?}: {sum:?}");
    }
}

#[test]
fn aggregates_of_nothing_and_of_one_number() {
    for kind in KINDS {
        let nothing = over(kind, 0, &[&[], &[]], false).map(Number::to_f64);
        assert_eq!(nothing, (kind == Kind::Count).then_some(0.0), "{kind:?}");
        let one = over(kind, 0, &[&[], &[Number::Float(2.5)], &[]], false).map(Number::to_f64);
        let expected = match kind {
            Kind::Count => Some(1.0),
            Kind::Stddev => None,
            Kind::Mad => Some(0.0),
            _ => Some(2.5),
        };
        assert_eq!(one, expected, "{kind:?}");
    }
}

#[test]
fn zeros_have_no_sign() {
    for numbers in [[-0.0, 0.0], [0.0, -0.0], [-0.0, -0.0]] {
        for kind in [Kind::Min, Kind::Max, Kind::Sum, Kind::Avg, Kind::Quantile(0.5)] {
            let found = value(kind, &numbers).map(f64::to_bits);
            assert_eq!(found, Some(0), "{kind:?} {numbers:?}");
            let mut gather = Gather::new(&Aggregate::new(kind, 0).ask());
            gather.add_all(&numbers, &[true; 2], &[false; 2]);
            let mut aggregate = Aggregate::new(kind, 0);
            aggregate.merge(gather.into_partial());
            assert!(aggregate.finish_round());
            let found = aggregate.value().map(|number| number.to_f64().to_bits());
            assert_eq!(found, Some(0), "{kind:?} {numbers:?}");
        }
    }
}

#[test]
fn a_mean_is_rounded_once_and_does_not_overflow() {
    assert_eq!(value(Kind::Avg, &[f64::MAX, f64::MAX]), Some(f64::MAX));
    assert_eq!(value(Kind::Sum, &[f64::MAX, f64::MAX]), None);
    // The sum is 2^53 + 1, three times an integer; as a float it would be 2^53.
    let mean = value(Kind::Avg, &[2_f64.powi(53), 1.0, 0.0]);
    assert_eq!(mean, Some(3_002_399_751_580_331.0));
    assert_eq!(value(Kind::Avg, &[5e-324, 0.0]), Some(0.0));
    assert_eq!(value(Kind::Avg, &[5e-324, 1e-323]), Some(1e-323));
}

#[test]
fn quantiles_and_deviations_are_those_of_sorting() {
    let mut random = Random::new(11);
    let median = |numbers: &mut Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        let middle = numbers.len() / 2;
        match numbers.len() % 2 {
            0 => (numbers[middle - 1] + numbers[middle]) / 2.0,
            _ => numbers[middle],
        }
    };
    for round in 1..200 {
        // Few different values, or many.
        let different = [3, 40, 1 << 30][round % 3];
        let mut numbers: Vec<f64> =
            (0..round).map(|_| random.below(different) as f64 / 8.0 - 2.0).collect();
        let values = numbers.clone();
        let center = median(&mut numbers);
        let mut distances: Vec<f64> = numbers.iter().map(|float| (float - center).abs()).collect();
        let deviation = median(&mut distances);
        let numbers: Vec<Number> = values.iter().map(|float| Number::Float(*float)).collect();
        let chunks: Vec<&[Number]> = numbers.chunks(17).collect();
        for memory in [0, 3000, 1 << 20] {
            let found = |kind| over(kind, memory, &chunks, true).map(Number::to_f64);
            assert_eq!(found(Kind::Median), Some(center));
            assert_eq!(found(Kind::Mad), Some(deviation));
        }
    }
}
