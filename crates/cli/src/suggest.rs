//! "Did you mean": the known word that is most like a misspelt one.

/// The word that is most like `typed`, if any is much like it.
pub(crate) fn closest<'a>(
    typed: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    let likeness = |word| (strsim::jaro(&typed, word), word);
    let best = words.into_iter().map(likeness).max_by(|one, other| one.0.total_cmp(&other.0))?;
    // As clap judges it.
    (best.0 > 0.7).then_some(best.1)
}
