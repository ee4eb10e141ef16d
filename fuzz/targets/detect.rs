//! The dialect that is found does not depend on how much more of a file is seen.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manyhands_csv::{Dialect, Find, detect};

fuzz_target!(|input: &[u8]| {
    let [choice, cut, body @ ..] = input else { return };
    let comment = (choice & 1 != 0).then_some(b'#');
    let quote = (choice & 2 == 0).then_some(b'"');
    let given = Dialect { comment, quote, ..Dialect::default() };
    let find = if choice & 4 == 0 {
        Find::DELIMITER
    } else {
        Find { quote: choice & 8 == 0, ..Find::ALL }
    };
    let skip_lines = u64::from(choice >> 6);
    // Once as it is, and once with more behind it than is looked at.
    let tail = body.repeat((200 << 10) / body.len().max(1));
    for bytes in [body.to_vec(), [body, &tail[..]].concat()] {
        let Some(whole) = detect(&bytes, true, &given, skip_lines, find) else {
            panic!("there is no more to wait for")
        };
        whole.doubt();
        assert!(whole.scores.iter().all(|score| (0.0..=1.0).contains(&score.share)));
        let seen = bytes.len() * usize::from(*cut) / 256;
        if let Some(found) = detect(&bytes[..seen], false, &given, skip_lines, find) {
            assert_eq!(found, whole);
        }
    }
});
