//! "Did you mean": finds the candidate that a wrong name most likely stands for.

/// The candidate nearest to a wrong name, ignoring case; `None` if none is near enough. The
/// distance counts letters that must be added, dropped, changed or swapped with their neighbour
/// (optimal string alignment).
pub fn suggest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let letters = wrong.chars().count();
    // Up to a third of the letters may be wrong; none in a name of one or two letters.
    let limit = letters.div_ceil(3).min(letters.saturating_sub(1));
    let distance =
        |candidate: &'a str| (strsim::osa_distance(&wrong, &candidate.to_lowercase()), candidate);
    let near = candidates.into_iter().map(distance).filter(|(distance, _)| *distance <= limit);
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
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
