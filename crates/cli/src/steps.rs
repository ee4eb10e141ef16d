//! The flags that are steps, one entry each in [`FLAGS`]. They become the recipe's steps in the
//! order typed, which is why they are collected here and not field by field.

use clap::builder::ArgAction;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use manyhands::clean::recipe::{
    Derive, Fill, FillWith, Null, OutlierRule, Outliers, Replace, Step,
};

use crate::values::{columns, list, named, pairs, tokens};

/// The steps that were typed, in the order typed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Steps(pub(crate) Vec<Step>);

/// A flag that is a step.
struct Flag {
    name: &'static str,
    /// What its value looks like; none for a flag without one.
    value: Option<&'static str>,
    help: &'static str,
    /// What only the long help says.
    more: &'static str,
    /// Whether its value may begin with a hyphen.
    hyphens: bool,
    read: fn(&str) -> Result<Step, String>,
}

const FLAGS: [Flag; 14] = [
    Flag {
        name: "drop-empty-rows",
        value: None,
        help: "Drop rows whose fields are all empty",
        more: "",
        hyphens: false,
        read: |_| Ok(Step::DropEmptyRows),
    },
    Flag {
        name: "normalize-columns",
        value: None,
        help: "Tidy names: ' Unit Price' is unit_price",
        more: "White space at the ends goes, letters get lower case, a space is '_'. Steps and \
               expressions may use both the old and the new name.",
        hyphens: false,
        read: |_| Ok(Step::NormalizeColumns),
    },
    Flag {
        name: "trim",
        value: Some("COLS|all"),
        help: "Take white space off both ends of cells",
        more: "",
        hyphens: false,
        read: |text| columns(text).map(Step::Trim),
    },
    Flag {
        name: "null",
        value: Some("TOKENS"),
        help: "Empty cells that are one of these: NA,-",
        more: "Columns in which they mean themselves are named in a recipe file (except).",
        hyphens: true,
        read: |text| Ok(Step::Null(Null { tokens: tokens(text)?, except: Vec::new() })),
    },
    Flag {
        name: "replace",
        value: Some("COL=/RE/TEXT/"),
        help: "Replace what a regular expression matches",
        more: "The character behind '=' separates, as in sed; '\\' before it makes it a plain one. \
               In TEXT, $1 or ${name} is a group.",
        hyphens: false,
        read: replace,
    },
    Flag {
        name: "types",
        value: Some("COL=TYPE,..."),
        help: "Check that cells can be read; changes none",
        more: "Types: text, integer, number, boolean, date, datetime. --on-bad says what becomes \
               of a row that does not fit. A pair is split at its last '='.",
        hyphens: false,
        read: types,
    },
    Flag {
        name: "filter",
        value: Some("EXPR"),
        help: "Keep rows for which an expression is true",
        more: "Such as: value <= 500 AND city IN ('Ulm', 'Bonn'). See 'manyhands functions'.",
        hyphens: true,
        read: |text| Ok(Step::Filter(text.to_owned())),
    },
    Flag {
        name: "outliers",
        value: Some("COL=RULE"),
        help: "Drop rows whose number is out of line",
        more: "Rules: iqr:1.5, zscore:3, mad:3, quantile:0.01:0.99, range:LO:HI. All but range \
               are over the rows of the file that reach this step. Empty cells are in line.",
        hyphens: false,
        read: outliers,
    },
    Flag {
        name: "fill",
        value: Some("COL=VALUE"),
        help: "Fill empty cells; also ffill, mean, median",
        more: "ffill is the last cell above that is not empty; mean and median are of the column's \
               numbers in the rows that reach this step. A value in double quotes is that text, \
               also if it is such a word: 'a=\"mean\"'.",
        hyphens: false,
        read: fill,
    },
    Flag {
        name: "dedupe",
        value: Some("COLS|all"),
        help: "Keep the first of rows equal in these",
        more: "",
        hyphens: false,
        read: |text| columns(text).map(Step::Dedupe),
    },
    Flag {
        name: "derive",
        value: Some("NAME=EXPR"),
        help: "Compute a column, new or old",
        more: "Such as: share = value / max(value). It is split at the first '='.",
        hyphens: false,
        read: derive,
    },
    Flag {
        name: "rename",
        value: Some("OLD=NEW,..."),
        help: "Rename columns",
        more: "A pair is split at its last '='.",
        hyphens: false,
        read: |text| pairs(text).map(Step::Rename),
    },
    Flag {
        name: "select",
        value: Some("COLS"),
        help: "Keep these columns, in this order",
        more: "",
        hyphens: false,
        read: |text| list(text).map(Step::Select),
    },
    Flag {
        name: "drop",
        value: Some("COLS"),
        help: "Drop these columns",
        more: "",
        hyphens: false,
        read: |text| list(text).map(Step::Drop),
    },
];

impl Args for Steps {
    fn augment_args(command: Command) -> Command {
        let heading = "Steps, in the order typed (COLS is a CSV list: a,\"b, c\")";
        FLAGS.iter().fold(command.next_help_heading(heading), |command, flag| {
            let mut arg = Arg::new(flag.name)
                .long(flag.name)
                .help(flag.help)
                .action(ArgAction::Append)
                .allow_hyphen_values(flag.hyphens)
                .value_parser(flag.read);
            if !flag.more.is_empty() {
                arg = arg.long_help(format!("{}\n\n{}", flag.help, flag.more));
            }
            command.arg(match flag.value {
                Some(form) => arg.value_name(form),
                // clap keeps the places of values only, so this is an option with none to type.
                None => arg.num_args(0).default_missing_value(""),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Steps {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut steps = Vec::new();
        for flag in &FLAGS {
            let places = matches.indices_of(flag.name).into_iter().flatten();
            let values = matches.get_many::<Step>(flag.name).into_iter().flatten();
            steps.extend(places.zip(values.cloned()));
        }
        steps.sort_by_key(|(place, _)| *place);
        Ok(Steps(steps.into_iter().map(|(_, step)| step).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn replace(text: &str) -> Result<Step, String> {
    let (column, rest) = named(text)?;
    let form = "after '=' comes /RE/TEXT/, with any separator for '/'";
    let separator = rest.chars().next().ok_or(form)?;
    if separator.is_alphanumeric() || separator.is_whitespace() || separator == '\\' {
        return Err(format!("{form}; {separator:?} cannot be one"));
    }
    let mut parts = vec![String::new()];
    let mut rest = rest[separator.len_utf8()..].chars();
    while let Some(c) = rest.next() {
        let part = parts.last_mut().expect("there is always a part");
        match c {
            '\\' => match rest.next() {
                Some(next) if next == separator => part.push(next),
                Some(next) => part.extend(['\\', next]),
                None => part.push('\\'),
            },
            c if c == separator => parts.push(String::new()),
            c => part.push(c),
        }
    }
    let Ok([pattern, text, end]) = <[String; 3]>::try_from(parts) else {
        return Err(format!("{form}; three separators, plain ones inside as '\\{separator}'"));
    };
    if !end.is_empty() {
        return Err(format!("{end:?} is behind the last separator"));
    }
    Ok(Step::Replace(Replace { column, pattern, text }))
}

fn types(text: &str) -> Result<Step, String> {
    let read = |(column, name): (String, String)| Ok((column, name.parse()?));
    pairs(text)?.into_iter().map(read).collect::<Result<_, String>>().map(Step::Types)
}

fn outliers(text: &str) -> Result<Step, String> {
    let form = "a rule is iqr:1.5, zscore:3, mad:3, quantile:0.01:0.99 or range:LO:HI";
    let (column, rule) = named(text)?;
    let mut parts = rule.split(':');
    let name = parts.next().unwrap_or_default();
    let numbers: Result<Vec<f64>, _> = parts
        .map(|part| part.trim().parse().map_err(|_| format!("{part:?} is no number; {form}")))
        .collect();
    let rule = match (name, &numbers?[..]) {
        ("iqr", &[factor]) => OutlierRule::Iqr(factor),
        ("zscore", &[factor]) => OutlierRule::Zscore(factor),
        ("mad", &[factor]) => OutlierRule::Mad(factor),
        ("quantile", &[low, high]) => OutlierRule::Quantile(low, high),
        ("range", &[low, high]) => OutlierRule::Range(low, high),
        _ => return Err(form.to_owned()),
    };
    Ok(Step::Outliers(Outliers { column, rule }))
}

fn fill(text: &str) -> Result<Step, String> {
    let (column, with) = named(text)?;
    let quoted = with.strip_prefix('"').and_then(|with| with.strip_suffix('"'));
    let with = match quoted {
        _ if with.is_empty() => {
            return Err("after '=' comes a value, ffill, mean or median".to_owned());
        }
        Some(text) => FillWith::Value(text.replace("\"\"", "\"")),
        None => FillWith::of_word(with)
            .map_err(|error| format!("{error}; the word itself is written '\"{with}\"'"))?,
    };
    Ok(Step::Fill(Fill { column, with }))
}

fn derive(text: &str) -> Result<Step, String> {
    let (name, expression) = named(text)?;
    // A space before the sign is how people write it, not part of the name.
    let (name, expression) = (name.trim().to_owned(), expression.trim().to_owned());
    if name.is_empty() || expression.is_empty() {
        return Err("it is a name, '=' and an expression".to_owned());
    }
    Ok(Step::Derive(Derive { name, expression }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use manyhands::clean::recipe::{Columns, FillMethod, Type};

    fn parse(arguments: &[&str]) -> Result<Vec<Step>, Error> {
        let command = Steps::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments)?;
        Steps::from_arg_matches(&matches).map(|steps| steps.0)
    }

    fn names(steps: &[Step]) -> Vec<&'static str> {
        steps.iter().map(Step::name).collect()
    }

    /// One way to type each flag.
    const TYPED: [&str; 14] = [
        "--drop-empty-rows",
        "--normalize-columns",
        "--trim=all",
        "--null=NA,-",
        "--replace=a=/b/c/",
        "--types=a=number",
        "--filter=a < 3",
        "--outliers=a=iqr:1.5",
        "--fill=a=0",
        "--dedupe=all",
        "--derive=b=a+1",
        "--rename=a=b",
        "--select=a,b",
        "--drop=c",
    ];

    #[test]
    fn steps_come_in_the_order_typed_whichever_it_is() {
        let mut typed = TYPED;
        for rotation in 0..TYPED.len() {
            let steps = parse(&typed).unwrap();
            let expected: Vec<String> = typed
                .iter()
                .map(|flag| flag[2..].split('=').next().unwrap().replace('-', "_"))
                .collect();
            assert_eq!(names(&steps), expected);
            typed.rotate_left(1);
            typed.swap(rotation % 5, 13 - rotation % 3);
        }
    }

    #[test]
    fn a_repeated_flag_is_a_step_each_time() {
        let typed = [
            "--drop-empty-rows",
            "--filter",
            "a",
            "--drop-empty-rows",
            "--filter",
            "b",
            "--trim=all",
        ];
        let steps = parse(&typed).unwrap();
        assert_eq!(
            names(&steps),
            ["drop_empty_rows", "filter", "drop_empty_rows", "filter", "trim"]
        );
        assert_eq!(steps[3], Step::Filter("b".to_owned()));
    }

    #[test]
    fn each_flag_is_named_as_its_step() {
        for (flag, typed) in FLAGS.iter().zip(TYPED) {
            let [step] = &parse(&[typed]).unwrap()[..] else { panic!("{typed}") };
            assert_eq!(step.name(), flag.name.replace('-', "_"));
        }
    }

    #[test]
    fn values_that_begin_with_a_hyphen_are_values_where_they_are_likely() {
        assert_eq!(parse(&["--filter", "-a < 3"]).unwrap(), [Step::Filter("-a < 3".to_owned())]);
        let null = Null { tokens: vec!["-".to_owned(), "NA".to_owned()], except: Vec::new() };
        assert_eq!(parse(&["--null", "-,NA"]).unwrap(), [Step::Null(null)]);
        assert!(parse(&["--select", "--trim"]).is_err());
    }

    #[test]
    fn replace_takes_any_separator_and_plain_ones_behind_a_backslash() {
        let step = |pattern: &str, text: &str| {
            let (column, pattern, text) = ("a".to_owned(), pattern.to_owned(), text.to_owned());
            Ok(Step::Replace(Replace { column, pattern, text }))
        };
        assert_eq!(replace("a=/b/c/"), step("b", "c"));
        assert_eq!(replace("a=/b//"), step("b", ""));
        assert_eq!(replace("a=|x=/|y|"), step("x=/", "y"));
        assert_eq!(replace(r"a=/\d+\/\d+/$0\/1/"), step(r"\d+/\d+", "$0/1"));
        assert_eq!(replace(r"a=/\\/\\\\/"), step(r"\\", r"\\\\"));
        for text in ["a", "a=", "a=/b", "a=/b/c", "a=/b/c/g", "a=/b/c/d/", "a=xbxcx", r"a=/b/c\/"] {
            assert!(replace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn types_have_their_names_and_the_usual_other_ones() {
        let expected = BTreeMap::from([
            ("a=b".to_owned(), Type::Integer),
            ("c".to_owned(), Type::Datetime),
            ("d".to_owned(), Type::Text),
        ]);
        assert_eq!(types("a=b=int,c=timestamp,d=Text"), Ok(Step::Types(expected)));
        let all = "types are text, integer (int), number (float, double), boolean (bool), date, \
                   datetime (timestamp)";
        let wrong = |name: &str, hint: &str| {
            let message = format!("there is no type {name:?};{hint} {all}");
            assert_eq!(types(&format!("a={name}")), Err(message));
        };
        wrong("nmber", " did you mean \"number\"?");
        wrong("Bol", " did you mean \"bool\"?");
        wrong("foo", "");
    }

    #[test]
    fn outlier_rules_have_their_numbers() {
        let rule = |text: &str| match outliers(text) {
            Ok(Step::Outliers(outliers)) => Ok(outliers.rule),
            Ok(_) => unreachable!(),
            Err(error) => Err(error),
        };
        assert_eq!(rule("a=iqr:1.5"), Ok(OutlierRule::Iqr(1.5)));
        assert_eq!(rule("a=zscore:3"), Ok(OutlierRule::Zscore(3.0)));
        assert_eq!(rule("a=mad:3.5"), Ok(OutlierRule::Mad(3.5)));
        assert_eq!(rule("a=quantile:0.01:0.99"), Ok(OutlierRule::Quantile(0.01, 0.99)));
        assert_eq!(rule("a=range:-5:1e3"), Ok(OutlierRule::Range(-5.0, 1000.0)));
        assert_eq!(rule("a=range:0:inf"), Ok(OutlierRule::Range(0.0, f64::INFINITY)));
        for text in ["a", "a=iqr", "a=iqr:x", "a=iqr:1:2", "a=range:1", "a=igr:1", "=iqr:1"] {
            assert!(rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fill_and_derive_split_at_the_first_sign() {
        let with = |text: &str| match fill(text) {
            Ok(Step::Fill(fill)) => fill.with,
            other => panic!("{other:?}"),
        };
        assert_eq!(with("a=0=1"), FillWith::Value("0=1".to_owned()));
        assert_eq!(with("a= "), FillWith::Value(" ".to_owned()));
        assert_eq!(with("a=ffill"), FillWith::Method(FillMethod::Forward));
        assert_eq!(with("a=mean"), FillWith::Method(FillMethod::Mean));
        assert_eq!(with("a=median"), FillWith::Method(FillMethod::Median));
        assert!(fill("a=").is_err());
        for word in ["bfill", "Mean", "mode", "FFILL", "pad"] {
            let error = fill(&format!("a={word}")).unwrap_err();
            assert!(error.contains(&format!("'\"{word}\"'")), "{error}");
            assert_eq!(with(&format!("a=\"{word}\"")), FillWith::Value(word.to_owned()));
        }
        assert_eq!(with("a=\"say \"\"mean\"\"\""), FillWith::Value("say \"mean\"".to_owned()));
        assert_eq!(with("a=\""), FillWith::Value("\"".to_owned()));
        assert_eq!(with("a=Meant"), FillWith::Value("Meant".to_owned()));
        let step = Derive { name: "b".to_owned(), expression: "a = 1".to_owned() };
        assert_eq!(derive("b = a = 1"), Ok(Step::Derive(step)));
        assert!(derive("b=").is_err());
        assert!(derive(" = 1").is_err());
    }

    #[test]
    fn lists_are_of_columns() {
        let all = [Step::Trim(Columns::All), Step::Dedupe(Columns::All)];
        assert_eq!(parse(&["--trim", "all", "--dedupe", "all"]).unwrap(), all);
        let expected = Step::Select(vec!["b, c".to_owned(), "a".to_owned()]);
        assert_eq!(parse(&["--select", "\"b, c\",a"]).unwrap(), [expected]);
    }
}
