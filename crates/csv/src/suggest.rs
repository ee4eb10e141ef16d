//! "Did you mean": the candidate that a wrong name most likely stands for.

/// The candidate nearest to a wrong name, in any case; `None` if none is near enough.
pub(crate) fn suggest<'a>(
    wrong: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wrong: Vec<char> = wrong.to_lowercase().chars().collect();
    // A third of the letters may be wrong; of one or two letters none.
    let limit = wrong.len().div_ceil(3).min(wrong.len().saturating_sub(1));
    candidates
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate.to_lowercase().chars().collect();
            (distance(&wrong, &letters), candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, dropped, changed or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut line = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(line[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            line.push(cost);
        }
        before = std::mem::replace(&mut last, line);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_or_none() {
        let names = ["value", "name", "valid", "id"];
        assert_eq!(suggest("valu", names), Some("value"));
        assert_eq!(suggest("VALUE", names), Some("value"));
        assert_eq!(suggest("anme", names), Some("name"));
        assert_eq!(suggest("price", names), None);
        assert_eq!(suggest("x", names), None);
        assert_eq!(suggest("", names), None);
    }
}
