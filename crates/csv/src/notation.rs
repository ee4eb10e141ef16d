//! Numbers as people write them: `1.234,56 €`, `(432)`, `12,5 %`, `−3`.
//!
//! A cell is taken apart in two steps. First comes what stands around the digits: a sign, parentheses, a currency, a
//! percent sign, in any sensible order. What is left is the *body*, digits with their decimal and group signs, which
//! has a value only in a [`Notation`]:
//!
//! ```text
//!   -1.234,56 €      minus, body 1.234,56, currency €
//!       1.234        1.234 with a decimal point, 1234 with a decimal comma and grouped by points
//! ```
//! Group signs stand between groups of three digits and nowhere else, and the first group does not begin with a zero.
//! Nothing is computed: digits are kept as they are, so a number of any length stays exact.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::evidence::{self, Evidence};
use crate::number;
use crate::problem::{Hint, Problem, ProblemKind};

/// The sign before the fraction of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decimal {
    /// `.`
    #[serde(rename = ".")]
    Point,
    /// `,`
    #[serde(rename = ",")]
    Comma,
}

/// The sign between groups of three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Group {
    /// `.`
    #[serde(rename = ".")]
    Point,
    /// `,`
    #[serde(rename = ",")]
    Comma,
    /// A space: also one without a break (U+00A0, U+202F) and the thin and figure spaces.
    #[serde(rename = "space")]
    Space,
    /// `'`, or the typographic one (U+2019).
    #[serde(rename = "'")]
    Apostrophe,
}

impl Decimal {
    /// The character.
    pub fn char(self) -> char {
        match self {
            Decimal::Point => '.',
            Decimal::Comma => ',',
        }
    }
}

impl Group {
    fn is(self, c: char) -> bool {
        match self {
            Group::Point => c == '.',
            Group::Comma => c == ',',
            Group::Space => matches!(c, ' ' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}'),
            Group::Apostrophe => matches!(c, '\'' | '\u{2019}'),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.char())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Group::Point => ".",
            Group::Comma => ",",
            Group::Space => "space",
            Group::Apostrophe => "'",
        })
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Decimal, String> {
        match text {
            "." => Ok(Decimal::Point),
            "," => Ok(Decimal::Comma),
            _ => Err(format!("the decimal sign is '.' or ',', not {text:?}")),
        }
    }
}

impl FromStr for Group {
    type Err = String;

    fn from_str(text: &str) -> Result<Group, String> {
        match text {
            "." => Ok(Group::Point),
            "," => Ok(Group::Comma),
            "space" | " " => Ok(Group::Space),
            "'" => Ok(Group::Apostrophe),
            _ => Err(format!("the group sign is '.', ',', \"'\" or the word space, not {text:?}")),
        }
    }
}

/// How the body of a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notation {
    pub(crate) decimal: Decimal,
    pub(crate) group: Option<Group>,
}

/// The notations that a column is searched for; the first three have a decimal point, the others a decimal comma.
const NOTATIONS: [Notation; 6] = {
    const fn of(decimal: Decimal, group: Group) -> Notation {
        Notation { decimal, group: Some(group) }
    }
    [
        of(Decimal::Point, Group::Comma),
        of(Decimal::Point, Group::Space),
        of(Decimal::Point, Group::Apostrophe),
        of(Decimal::Comma, Group::Point),
        of(Decimal::Comma, Group::Space),
        of(Decimal::Comma, Group::Apostrophe),
    ]
};

const ALL: u8 = (1 << NOTATIONS.len()) - 1;
const WITH_POINT: u8 = 0b111;

/// The digits of a body, without signs of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Digits<'a> {
    whole: String,
    fraction: &'a str,
    /// With its sign.
    exponent: Option<&'a str>,
}

impl Notation {
    /// Reads a body; `None` if it is not written so.
    fn read<'a>(&self, body: &'a str) -> Option<Digits<'a>> {
        let (body, exponent) = match body.find(['e', 'E']) {
            Some(at) => (&body[..at], Some(&body[at + 1..])),
            None => (body, None),
        };
        if let Some(exponent) = exponent {
            is_digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)).then_some(())?;
        }
        let (whole, fraction) = match body.find(self.decimal.char()) {
            Some(at) => (&body[..at], &body[at + 1..]),
            None => (body, ""),
        };
        let has_digits = !whole.is_empty() || !fraction.is_empty();
        (has_digits && fraction.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
        Some(Digits { whole: self.ungrouped(whole)?, fraction, exponent })
    }

    /// The digits before the decimal sign; `None` if a group sign is not between groups of three.
    fn ungrouped(&self, whole: &str) -> Option<String> {
        if whole.is_empty() || is_digits(whole) {
            return Some(whole.to_owned());
        }
        let sign = whole.chars().find(|c| !c.is_ascii_digit())?;
        self.group.filter(|group| group.is(sign))?;
        let mut groups = whole.split(sign);
        let first = groups.next().filter(|first| {
            is_digits(first) && (1..=3).contains(&first.len()) && !first.starts_with('0')
        })?;
        let mut digits = first.to_owned();
        for group in groups {
            (group.len() == 3 && is_digits(group)).then_some(())?;
            digits.push_str(group);
        }
        Some(digits)
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A cell, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    negative: bool,
    body: &'a str,
    /// Its currency as it is written.
    pub(crate) currency: Option<&'a str>,
    /// True if it has a percent sign.
    pub(crate) percent: bool,
}

/// The meaning of a percent sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Percent {
    /// `12.5 %` is 0.125.
    Share,
    /// `12.5 %` is 12.5.
    Number,
}

impl<'a> Parts<'a> {
    /// Takes a cell apart. `None` if something else than a sign, a currency and a percent sign stands around a body.
    pub(crate) fn of(cell: &'a [u8]) -> Option<Parts<'a>> {
        let mut text = std::str::from_utf8(cell).ok()?;
        let (mut sign, mut negative, mut currency, mut percent, mut open) =
            (false, false, None, false, false);
        let is_first = |flag: &mut bool| !std::mem::replace(flag, true);
        loop {
            text = text.trim_start_matches(is_blank);
            let c = text.chars().next()?;
            if c.is_ascii_digit() || matches!(c, '.' | ',') {
                break;
            }
            let len = match c {
                '-' | '+' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' => {
                    negative = c != '+';
                    is_first(&mut sign).then_some(c.len_utf8())?
                }
                '(' => {
                    (open, negative) = (true, true);
                    is_first(&mut sign).then_some(1)?
                }
                '%' => is_first(&mut percent).then_some(1)?,
                _ => {
                    let len = currency_at_start(text)?;
                    currency.replace(&text[..len]).is_none().then_some(len)?
                }
            };
            text = &text[len..];
        }
        loop {
            text = text.trim_end_matches(is_blank);
            let c = text.chars().next_back()?;
            if c.is_ascii_digit() {
                break;
            }
            let len = match c {
                '-' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' => {
                    negative = true;
                    is_first(&mut sign).then_some(c.len_utf8())?
                }
                ')' => std::mem::replace(&mut open, false).then_some(1)?,
                '%' => is_first(&mut percent).then_some(1)?,
                _ => match currency_at_end(text) {
                    Some(len) => {
                        currency.replace(&text[text.len() - len..]).is_none().then_some(len)?
                    }
                    None if matches!(c, '.' | ',') => break,
                    None => return None,
                },
            };
            text = &text[..text.len() - len];
        }
        let has_exponent = text.contains(['e', 'E']);
        (!open && !(percent && (currency.is_some() || has_exponent))).then_some(())?;
        let is_body = |c: char| {
            c.is_ascii_digit() || matches!(c, '.' | ',' | 'e' | 'E' | '-' | '+' | '\'' | '\u{2019}')
        };
        let is_body = |c: char| is_body(c) || Group::Space.is(c);
        text.chars().all(is_body).then_some(Parts { negative, body: text, currency, percent })
    }

    /// Appends the number in plain notation, as `-1234.56`. Returns `false` if its body is not written so.
    pub(crate) fn write(
        &self,
        notation: Notation,
        percent: Option<Percent>,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(Digits { mut whole, fraction, exponent }) = notation.read(self.body) else {
            return false;
        };
        let mut fraction = fraction.to_owned();
        if self.percent && percent == Some(Percent::Share) {
            while whole.len() < 3 {
                whole.insert(0, '0');
            }
            fraction.insert_str(0, &whole.split_off(whole.len() - 2));
        }
        if self.negative {
            out.push(b'-');
        }
        out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
        if let Some(exponent) = exponent {
            out.push(b'e');
            out.extend_from_slice(exponent.as_bytes());
        }
        true
    }

    /// The notations in which its body has a value.
    fn notations(&self) -> u8 {
        if is_digits(self.body) {
            return ALL;
        }
        let fits =
            |(at, notation): (usize, &Notation)| u8::from(notation.read(self.body).is_some()) << at;
        NOTATIONS.iter().enumerate().map(fits).fold(0, |all, one| all | one)
    }

    /// Its value as text in one of the two notations with this decimal sign that it fits.
    fn shown(&self, notations: u8) -> Option<String> {
        let notation = NOTATIONS.iter().enumerate().find(|(at, _)| notations & (1 << at) != 0)?.1;
        let mut text = Vec::new();
        self.write(*notation, Some(Percent::Number), &mut text).then_some(())?;
        String::from_utf8(text).ok()
    }
}

/// White space, and characters without width, which spreadsheets put around numbers.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'
                ..='\u{202e}' | '\u{2060}' | '\u{feff}'
        )
}

/// Currencies that are neither a sign nor a code of ISO 4217.
const NAMES: [&str; 9] = ["Fr.", "Ft", "Kč", "Lei", "kr.", "kr", "lei", "zł", "лв"];
/// Codes of ISO 4217 in use.
const CODES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN \
    BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ \
    GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL \
    LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN \
    PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD \
    TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

/// Characters of the Unicode category Sc.
fn is_currency_sign(c: char) -> bool {
    matches!(c, '$' | '¢'..='¥' | '\u{58f}' | '\u{60b}' | '\u{7fe}' | '\u{7ff}' | '\u{9f2}' | '\u{9f3}' | '\u{9fb}'
        | '\u{af1}' | '\u{bf9}' | '\u{e3f}' | '\u{17db}' | '\u{20a0}'..='\u{20c1}' | '\u{a838}' | '\u{fdfc}'
        | '\u{fe69}' | '\u{ff04}' | '\u{ffe0}' | '\u{ffe1}' | '\u{ffe5}' | '\u{ffe6}')
}

/// Returns whether a text is a currency: a sign, which may have one or two letters before it (`US$`), a code, or a name.
fn is_currency(text: &str) -> bool {
    if NAMES.contains(&text) || text.len() == 3 && CODES.split(' ').any(|code| code == text) {
        return true;
    }
    let letters = text.trim_end_matches(is_currency_sign);
    let signs = text[letters.len()..].chars().count();
    signs == 1 && letters.len() <= 2 && letters.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Length of the currency with which a text begins.
fn currency_at_start(text: &str) -> Option<usize> {
    let end = |c: char| {
        c.is_ascii_digit() || is_blank(c) || matches!(c, '-' | '+' | '(' | ',' | '\u{2212}')
    };
    let len = text.find(end).unwrap_or(text.len());
    // A point may be part of the name, as in `Fr.`, or the decimal sign of the number.
    [len, text[..len].trim_end_matches('.').len()]
        .into_iter()
        .find(|len| is_currency(&text[..*len]))
}

/// Length of the currency with which a text ends.
fn currency_at_end(text: &str) -> Option<usize> {
    let end = |c: char| {
        c.is_ascii_digit() || is_blank(c) || matches!(c, '-' | ')' | '%' | ',' | '\u{2212}')
    };
    let start =
        text.rfind(end).map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
    let found = &text[start..];
    let found = found.strip_prefix('.').unwrap_or(found);
    is_currency(found).then_some(found.len())
}

/// Finds the notation of a column from all its cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search;

impl evidence::Search for Search {
    fn ways(&self, cell: &[u8]) -> u8 {
        if number::is_null(cell) {
            return 0;
        }
        Parts::of(cell).map_or(0, |parts| parts.notations())
    }

    fn decide(&self, evidence: &Evidence) -> Result<evidence::Decision, Problem> {
        let common = evidence.common(ALL);
        if common == 0 {
            let cells = evidence.contradiction();
            let cells: Vec<String> = cells.into_iter().map(ToString::to_string).collect();
            return Err(Problem::new(format!(
                "its cells contradict each other: {}",
                cells.join("; ")
            ))
            .of(ProblemKind::Cell)
            .hint(Hint::words(
                "name the decimal sign of the right ones; the others are bad cells then",
            )));
        }
        let (point, comma) = (common & WITH_POINT, common & !WITH_POINT);
        // A cell with neither a point nor a comma has the same value with either.
        let is_open = |ways: u8| ways & WITH_POINT != ways >> 3;
        if point != 0
            && comma != 0
            && let Some(spot) = evidence.first(is_open)
        {
            let read = |ways| {
                Parts::of(spot.cell.as_bytes()).and_then(|parts| parts.shown(ways & spot.ways))
            };
            let (as_point, as_comma) =
                (read(point).unwrap_or_default(), read(comma).unwrap_or_default());
            return Err(Problem::new(format!(
                "{spot} is {as_point} with a decimal point and {as_comma} with a decimal comma, and no cell proves \
                 one of them"
            ))
            .of(ProblemKind::Cell)
            .hint(Hint::words("name the decimal sign, and the group sign if there is one")));
        }
        let way = common.trailing_zeros() as usize;
        let proof =
            evidence.first(|ways| is_open(ways) && (ways & WITH_POINT == 0 || ways >> 3 == 0));
        let note = proof.map(|spot| {
            let sign = if NOTATIONS[way].decimal == Decimal::Point { "point" } else { "comma" };
            format!("has decimal {sign}s, as {spot} proves")
        });
        Ok(evidence::Decision { way, note })
    }
}

impl Search {
    /// A notation by its number.
    pub(crate) fn notation(way: usize) -> Notation {
        NOTATIONS[way]
    }
}
