//! The block scanner with AVX2, carry-less multiplication and bit counting.
#![allow(
    unsafe_code,
    reason = "intrinsics that need a processor feature, which is looked for once"
)]

use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8,
    _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
};

use super::blocks::{self, Masks};
use super::ends::Ends;
use super::scalar::State;
use crate::dialect::Dialect;

/// Returns whether this processor has the features that [`scan`] needs. The standard library caches
/// the answer.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("pclmulqdq")
}

pub(super) fn scan(
    dialect: &Dialect,
    state: State,
    bytes: &[u8],
    from: usize,
    ends: &mut Ends,
) -> State {
    assert!(is_available(), "the processor has no AVX2");
    // A dialect without comments pays nothing for them.
    match dialect.comment {
        // SAFETY: the required features were just detected.
        None => unsafe { scan_with_features::<false>(dialect, state, bytes, from, ends) },
        // SAFETY: as above.
        Some(_) => unsafe { scan_with_features::<true>(dialect, state, bytes, from, ends) },
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,pclmulqdq")]
fn scan_with_features<const COMMENTS: bool>(
    dialect: &Dialect,
    state: State,
    bytes: &[u8],
    from: usize,
    ends: &mut Ends,
) -> State {
    let delimiter = dialect.delimiter.byte().expect("`Scanner::best` chose for a plain dialect");
    let delimiter = _mm256_set1_epi8(delimiter as i8);
    // Without quotes, no byte may match: CR is masked out below.
    let quote = _mm256_set1_epi8(dialect.quote.unwrap_or(b'\r') as i8);
    let has_quotes = if dialect.quote.is_some() { !0 } else { 0 };
    let comment = _mm256_set1_epi8(dialect.comment.unwrap_or(b'\r') as i8);
    let line_feed = _mm256_set1_epi8(b'\n' as i8);
    let carriage_return = _mm256_set1_epi8(b'\r' as i8);
    let masks = |block: &[u8; 64]| {
        let low = block.as_ptr().cast::<__m256i>();
        let high = block[32..].as_ptr().cast::<__m256i>();
        // SAFETY: reads 32 bytes from the first half of 64; no alignment is required.
        let first = unsafe { _mm256_loadu_si256(low) };
        // SAFETY: as above, from the second half.
        let second = unsafe { _mm256_loadu_si256(high) };
        let equal = |wanted: __m256i| {
            let first = _mm256_movemask_epi8(_mm256_cmpeq_epi8(first, wanted)) as u32;
            let second = _mm256_movemask_epi8(_mm256_cmpeq_epi8(second, wanted)) as u32;
            u64::from(first) | u64::from(second) << 32
        };
        Masks {
            delimiters: equal(delimiter),
            quotes: equal(quote) & has_quotes,
            line_feeds: equal(line_feed),
            returns: equal(carriage_return),
            comments: if COMMENTS { equal(comment) } else { 0 },
        }
    };
    // A carry-less multiplication by all ones gives the running exclusive or.
    let parity = |bits: u64| {
        let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits as i64), _mm_set1_epi8(-1));
        _mm_cvtsi128_si64(product) as u64
    };
    blocks::scan(dialect, state, bytes, from, ends, masks, parity)
}
