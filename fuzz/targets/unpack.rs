//! An archive is the same however it arrives, is what other unpackers see in it, and is never taken for whole
//! if it is not.
#![no_main]

use std::io::Read;

use flate2::bufread::GzDecoder;
use libfuzzer_sys::fuzz_target;
use manyhands::clean::fuzzing::{packed, unpacked, unpacked_by};

/// What flate2's and zstd's own readers see; gzip's zeros at the end are not theirs.
fn oracle(name: &str, mut archive: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    if name.ends_with(".zst") {
        zstd::stream::read::Decoder::with_buffer(archive).ok()?.read_to_end(&mut out).ok()?;
        return Some(out);
    }
    while !archive.is_empty() {
        let mut member = GzDecoder::new(archive);
        member.read_to_end(&mut out).ok()?;
        archive = member.into_inner();
        let zeros = archive.iter().take_while(|byte| **byte == 0).count();
        archive = &archive[zeros..];
    }
    Some(out)
}

/// Unpacks it in all ways, which must agree.
fn all_ways(name: &str, archive: &[u8], piece: usize) -> Option<Vec<u8>> {
    let whole = unpacked(name, archive);
    // A step clears its room, so that many of them are slow.
    for piece in [if archive.len() < 100 { 1 } else { archive.len() / 50 }, piece] {
        let pieces = unpacked_by(name, archive, piece);
        assert_eq!(pieces.is_ok(), whole.is_ok(), "{piece}: {pieces:?}, {whole:?}");
        assert_eq!(pieces.ok(), whole.clone().ok(), "by pieces of {piece}");
    }
    whole.ok().flatten()
}

fuzz_target!(|input: &[u8]| {
    let [choice, piece, at, value, body @ ..] = input else { return };
    let name = if choice & 1 == 0 { "a.csv.gz" } else { "a.csv.zst" };
    let piece = usize::from(*piece) + 1;
    if choice & 2 == 0 {
        if let Some(found) = all_ways(name, body, piece)
            && let Some(other) = oracle(name, body)
        {
            assert_eq!(found, other);
        }
        return;
    }
    // Several members or frames, of which the last may be empty.
    let (mut archive, mut ends) = (Vec::new(), vec![0]);
    for block in body.chunks(1 + usize::from(choice >> 3) * 16).chain([&b""[..]]) {
        assert!(packed(name, block, &mut archive));
        ends.push(archive.len());
    }
    assert_eq!(all_ways(name, &archive, piece).as_deref(), Some(body));
    assert_eq!(oracle(name, &archive).as_deref(), Some(body));
    let at = (usize::from(*at) << 8 | usize::from(*value)) % archive.len();
    if choice & 4 == 0 {
        // Cut off: it is whole only where a member or frame ends.
        let found = all_ways(name, &archive[..at], piece);
        assert_eq!(found.is_some(), at > 0 && ends.contains(&at), "cut at {at} of {ends:?}");
    } else if *value != 0 {
        archive[at] ^= value;
        // What is no part of the content may be another.
        let found = all_ways(name, &archive, piece);
        assert!(found.is_none_or(|found| found == body), "changed at {at} by {value}");
    }
});
