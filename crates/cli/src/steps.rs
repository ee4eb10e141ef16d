//! The flags of the steps, made from the table of steps. They become the recipe's steps in the order typed,
//! so they are collected together and not field by field.

use clap::builder::ArgAction;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use manyhands::clean::recipe::{Step, StepInfo, steps};

/// The steps, in the order typed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Steps(pub(crate) Vec<Step>);

/// The flag of a step.
fn flag_of(step: &StepInfo) -> String {
    step.name.replace('_', "-")
}

/// A step's long help, with the names in braces as they are typed: `{on_bad}` becomes `--on-bad`.
fn in_words(more: &str) -> String {
    let mut text = String::new();
    for (at, part) in more.split('{').enumerate() {
        let is_name =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        match part.split_once('}').filter(|(name, _)| at > 0 && is_name(name)) {
            Some(_) if text.ends_with('$') => text += &format!("{{{part}"),
            Some(("functions", rest)) => text += &format!("'manyhands functions'{rest}"),
            Some((name, rest)) => text += &format!("--{}{rest}", name.replace('_', "-")),
            None => text += part,
        }
    }
    text
}

impl Args for Steps {
    fn augment_args(command: Command) -> Command {
        let heading = "Steps, in the order typed (COLS is a CSV list: a,\"b, c\")";
        steps().iter().fold(command.next_help_heading(heading), |command, step| {
            let flag = step.about.flag;
            let mut arg = Arg::new(step.name)
                .long(flag_of(step))
                .help(flag.help)
                .action(ArgAction::Append)
                .allow_hyphen_values(flag.hyphens)
                .value_parser(step.read);
            if !flag.more.is_empty() {
                arg = arg.long_help(format!("{}\n\n{}", flag.help, in_words(flag.more)));
            }
            command.arg(match flag.value {
                Some(form) => arg.value_name(form),
                // clap records the positions of values only, so this is an option whose value cannot be
                // typed.
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
        let mut typed = Vec::new();
        for step in steps() {
            let places = matches.indices_of(step.name).into_iter().flatten();
            let values = matches.get_many::<Step>(step.name).into_iter().flatten();
            typed.extend(places.zip(values.cloned()));
        }
        typed.sort_by_key(|(place, _)| *place);
        Ok(Steps(typed.into_iter().map(|(_, step)| step).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manyhands::clean::recipe::{Columns, Null};

    fn parse(arguments: &[&str]) -> Result<Vec<Step>, Error> {
        let command = Steps::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments)?;
        Steps::from_arg_matches(&matches).map(|steps| steps.0)
    }

    fn names(steps: &[Step]) -> Vec<&'static str> {
        steps.iter().map(Step::name).collect()
    }

    /// One way to type each flag.
    const TYPED: [&str; 15] = [
        "--drop-empty-rows",
        "--normalize-columns",
        "--trim=all",
        "--null=NA,-",
        "--replace=a=/b/c/",
        "--number=a=decimal:,",
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
    fn steps_have_the_order_in_which_they_were_typed() {
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
        assert_eq!(steps().len(), TYPED.len());
        for (known, typed) in steps().iter().zip(TYPED) {
            let [step] = &parse(&[typed]).unwrap()[..] else { panic!("{typed}") };
            assert_eq!(step.name(), known.name);
            assert!(typed[2..].starts_with(&flag_of(known)), "{typed}");
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
    fn lists_are_of_columns() {
        let all = [Step::Trim(Columns::All), Step::Dedupe(Columns::All)];
        assert_eq!(parse(&["--trim", "all", "--dedupe", "all"]).unwrap(), all);
        let expected = Step::Select(vec!["b, c".to_owned(), "a".to_owned()]);
        assert_eq!(parse(&["--select", "\"b, c\",a"]).unwrap(), [expected]);
    }
}
