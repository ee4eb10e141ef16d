//! A recipe is read or refused; one that is read is written so that it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manyhands_csv::{Dialect, Plan, Prepared, Recipe};

fuzz_target!(|text: &str| {
    let Ok(recipe) = Recipe::from_toml(text) else { return };
    let written = recipe.to_toml();
    let again = Recipe::from_toml(&written).expect(&written);
    // NaN is not equal to itself; its text is.
    assert_eq!(again.to_toml(), written);
    if let Ok(prepared) = Prepared::new(recipe, 0) {
        let _ = Plan::new(&prepared, &Dialect::default(), b"a,b,\"c d\",a");
    }
});
