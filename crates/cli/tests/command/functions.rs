//! `manyhands functions` shows the table that evaluates expressions.

use crate::kit::Dir;

#[test]
fn all_are_listed() {
    let outcome = Dir::new().run(["functions"]);
    outcome.done().says_nothing();
    for name in ["length", "round", "coalesce", "max"] {
        assert!(outcome.stdout.contains(&format!("  {name}(")), "{name}: {}", outcome.stdout);
    }
}

#[test]
fn one_is_explained_with_examples() {
    let outcome = Dir::new().run(["functions", "ROUND"]);
    outcome.done();
    assert!(outcome.stdout.starts_with("round("), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("\nexamples:\n"), "{}", outcome.stdout);
}

#[test]
fn a_misspelt_one_gets_a_suggestion() {
    let outcome = Dir::new().run(["functions", "lenght"]);
    outcome
        .status(2)
        .prints("")
        .says("error: there is no function \"lenght\"\nhint: did you mean length?");
}

#[test]
fn each_is_explained() {
    for function in manyhands::clean::functions() {
        let outcome = Dir::new().run(["functions", function.name]);
        assert!(outcome.done().stdout.starts_with(function.signature), "{}", function.name);
    }
}
