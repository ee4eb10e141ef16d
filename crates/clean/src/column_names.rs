//! Names of columns for messages: which are missing, and a list of them.

use std::collections::HashMap;

/// The names that are missing in `others`, each as often as it is missing.
pub(crate) fn without<'a>(names: &'a [String], others: &[String]) -> Vec<&'a String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in others {
        *counts.entry(name).or_default() += 1;
    }
    let is_more = |name: &&String| match counts.get_mut(name.as_str()) {
        Some(count @ 1..) => {
            *count -= 1;
            false
        }
        _ => true,
    };
    names.iter().filter(is_more).collect()
}

/// Names in quotes; if there are many, only the first ones.
pub(crate) fn listed(names: &[impl AsRef<str>]) -> String {
    const MOST: usize = 10;
    let shown = names.iter().take(MOST).map(|name| format!("{:?}", name.as_ref()));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST) {
        Some(others @ 1..) => format!("{shown} and {others} more"),
        _ => shown,
    }
}
