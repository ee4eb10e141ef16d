//! `LIKE` patterns: `%` matches any characters, `_` matches one.

use super::chars;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
    insensitive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Many,
    One,
    Char(u32),
}

impl Pattern {
    /// Compiles a pattern. The character after the escape character stands for itself.
    pub(super) fn new(pattern: &[u8], escape: Option<char>, insensitive: bool) -> Pattern {
        let mut parts = Vec::new();
        let mut escaped = false;
        for char in chars::split(pattern) {
            let number = chars::first(char).0;
            if !escaped && escape.is_some_and(|escape| u32::from(escape) == number) {
                escaped = true;
                continue;
            }
            let part = match char {
                b"%" if !escaped => Part::Many,
                b"_" if !escaped => Part::One,
                _ => Part::Char(if insensitive { fold(number) } else { number }),
            };
            escaped = false;
            if part != Part::Many || parts.last() != Some(&Part::Many) {
                parts.push(part);
            }
        }
        Pattern { parts, insensitive }
    }

    /// Returns whether the whole text matches.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let (mut at, mut part) = (0, 0);
        // State after the last `%`: its part, and the position in the text if it takes one more
        // character.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let next = (at < text.len()).then(|| chars::first(&text[at..]));
            match (self.parts.get(part), next) {
                (Some(Part::Many), _) => {
                    part += 1;
                    retry = Some((part, at));
                    continue;
                }
                (None, None) => return true,
                (Some(Part::One), Some((_, width))) => {
                    at += width;
                    part += 1;
                    continue;
                }
                (Some(Part::Char(wanted)), Some((char, width)))
                    if char == *wanted || self.insensitive && fold(char) == *wanted =>
                {
                    at += width;
                    part += 1;
                    continue;
                }
                _ => {}
            }
            match retry {
                Some((behind, from)) if from < text.len() => {
                    at = from + chars::first(&text[from..]).1;
                    part = behind;
                    retry = Some((behind, at));
                }
                _ => return false,
            }
        }
    }
}

fn fold(number: u32) -> u32 {
    match char::from_u32(number) {
        Some(char) => char.to_lowercase().next().map_or(number, u32::from),
        None => number,
    }
}
