//! Characters of bytes that may not be UTF-8: a byte that belongs to no character counts as one
//! character.

/// The first character, as a number that differs for different characters, and its width in bytes.
/// The text must not be empty.
pub(super) fn first(text: &[u8]) -> (u32, usize) {
    let width = match text[0] {
        byte @ 0..0x80 => return (u32::from(byte), 1),
        0xC2..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0..0xF5 => 4,
        _ => 1,
    };
    let valid = text.get(..width).and_then(|bytes| str::from_utf8(bytes).ok());
    match valid.and_then(|valid| valid.chars().next()) {
        Some(char) => (u32::from(char), width),
        None => (u32::from(char::MAX) + 1 + u32::from(text[0]), 1),
    }
}

/// Number of characters.
pub(super) fn count(text: &[u8]) -> usize {
    match str::from_utf8(text) {
        Ok(text) => text.chars().count(),
        Err(_) => split(text).count(),
    }
}

/// Offset of the character with this number; the length of the text if there is no such character.
pub(super) fn offset(text: &[u8], number: usize) -> usize {
    if text.is_ascii() {
        return number.min(text.len());
    }
    split(text).take(number).map(<[u8]>::len).sum()
}

/// Iterates over the characters.
pub(super) fn split(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let (char, rest) = text.split_at(first(text).1);
        text = rest;
        Some(char)
    })
}
