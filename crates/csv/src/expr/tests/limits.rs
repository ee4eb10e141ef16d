//! Long and deep expressions are errors before they overflow the stack, and nothing panics.

use super::*;

fn error(expression: &str) -> String {
    match Expression::parse(expression, &BTreeMap::new()) {
        Err(error) => error.message,
        Ok(_) => panic!("not an error"),
    }
}

#[test]
fn sensible_lengths_are_fine() {
    let sum = vec!["a"; 250].join(" + ");
    check(&[("a", "1", &sum, "250")]);
    let any = (0..900).map(|n| format!("a = '{n}'")).collect::<Vec<_>>().join(" OR ");
    check(&[("a", "899", &any, "true"), ("a", "900", &any, "false")]);
    let text = vec!["a"; 900].join(" || ");
    check(&[("a", "x", &format!("length({text})"), "900")]);
    let list = (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    check(&[("a", "19999", &format!("a IN ({list})"), "true")]);
    let list = (0..20_000).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
    check(&[("a", "x", &format!("a IN ({list})"), "false")]);
    let nested = format!("{}a{}", "(".repeat(20), ")".repeat(20));
    check(&[("a", "x", &nested, "x")]);
}

#[test]
fn an_expression_that_is_too_long_or_too_deep_is_an_error() {
    let long = "the expression is too long (more than 4000 words and signs)";
    let deep = "the expression is too deep (more than 300 levels)";
    for (expression, message) in [
        (vec!["a"; 10_000].join("+"), long),
        (vec!["a"; 1_000_000].join("+"), long),
        (vec!["a"; 1_900].join("+"), deep),
        (format!("{})", vec!["a"; 1_900].join("+")), "unexpected `)`"),
        (format!("a{}", " IS NULL".repeat(1_900)), deep),
        (format!("a{}", "+1".repeat(3_900)), deep),
        (format!("a{} x", "+1".repeat(3_900)), "unexpected `x`"),
        (format!("a{}+", "+1".repeat(3_900)), "expected an expression, found the end"),
        (format!("a{}", "::int".repeat(1_300)), deep),
        (format!("{}a", "NOT ".repeat(3_000)), deep),
        (format!("{}a", "- ".repeat(3_000)), deep),
        (format!("{}a{}", "(".repeat(1_000), ")".repeat(1_000)), deep),
        (format!("{}a{}", "abs(".repeat(900), ")".repeat(900)), deep),
    ] {
        assert_eq!(error(&expression), message, "{}", &expression[..20]);
    }
}

#[test]
fn no_text_makes_the_parser_panic() {
    let parts = [
        "a",
        "b",
        "'x'",
        "1",
        "1.5",
        "(",
        ")",
        ",",
        "+",
        "-",
        "*",
        "/",
        "%",
        "||",
        "=",
        "<>",
        "<=",
        "AND",
        "OR",
        "NOT",
        "IN",
        "BETWEEN",
        "LIKE",
        "ESCAPE",
        "IS",
        "NULL",
        "TRUE",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "CAST",
        "AS",
        "INTEGER",
        "DATE",
        "EXTRACT",
        "YEAR",
        "FROM",
        "trim",
        "LEADING",
        "substr",
        "FOR",
        "max",
        "count",
        "coalesce",
        "if",
        "round",
        ":limit",
        ":",
        "::",
        "\"q\"",
        "`q`",
        "é",
        "'",
        "\"",
        "\n",
        "[",
        "]",
        "{",
        "}",
        "regexp_like",
        "left",
        "date_diff",
        "'day'",
        "position",
        "ceil",
        "interval",
        "--",
        "/*",
        "$$",
        "@",
    ];
    let mut random = crate::testing::Random::new(5);
    let header = Header::new("a,b:number,q:date");
    let mut good = 0;
    for _ in 0..30_000 {
        let count = 1 + random.below(12);
        let text: Vec<&str> = (0..count).map(|_| parts[random.below(parts.len())]).collect();
        let text = text.join(if random.below(4) == 0 { "" } else { " " });
        let parameters = BTreeMap::from([("limit".to_owned(), "5".to_owned())]);
        let bound = Expression::parse(&text, &parameters).and_then(|parsed| parsed.bind(&header));
        match bound {
            Err(error) => assert!(error.to_string().lines().count() >= 3, "{text}"),
            Ok(bound) => {
                good += 1;
                let context = Context { aggregates: &[], now: now(), longest: LONGEST };
                let row = Row(vec![b"x\xff", b"7", b"2024-01-01"]);
                let _ = bound.root.evaluate(&row, &context, &mut None);
            }
        }
    }
    assert!(good > 300, "only {good} were expressions");
}
