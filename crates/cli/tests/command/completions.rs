//! `manyhands completions`: what shells do with the scripts. A shell that is not installed is skipped with a line.

use std::process::Command;

use crate::kit::{Dir, PROGRAM, skipped};

/// The output of a shell that runs these lines, with `$0` for the program.
fn runs(shell: &str, arguments: &[&str], lines: &str) -> Option<String> {
    if Command::new(shell).arg("--version").output().is_err() {
        skipped(&format!("completions in {shell}: it is not installed"));
        return None;
    }
    let dir = Dir::new();
    let arguments = arguments.iter().copied().chain(["-c", lines, PROGRAM]);
    let outcome = dir.prepare(Command::new(shell), arguments).run();
    outcome.status(0).says_nothing();
    Some(outcome.stdout)
}

#[test]
fn bash_completes_commands_and_flags_and_their_values() {
    let lines = r#"
        source <("$0" completions bash)
        complete -p manyhands | grep -o -- '-F [^ ]*'
        typed() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            _manyhands "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[@]}"
        }
        typed manyhands cl
        typed manyhands clean --norm
        typed manyhands clean --on-bad n
        typed manyhands completions f
        "#;
    let Some(said) = runs("bash", &["--norc"], lines) else { return };
    assert_eq!(said, "-F _manyhands\nclean\n--normalize-columns\nnull\nfish\n");
}

#[test]
fn fish_completes_commands_and_flags_and_their_values() {
    let lines = r#"
        $argv[1] completions fish | source
        complete -C 'manyhands cl'
        complete -C 'manyhands clean --norm'
        complete -C 'manyhands clean --on-bad n'
        "#
    .replace("$argv[1]", PROGRAM);
    let Some(said) = runs("fish", &["--no-config"], &lines) else { return };
    let words: Vec<_> = said.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(words, ["clean", "--normalize-columns", "null"], "{said}");
}

#[test]
fn zsh_loads_the_script_from_its_fpath() {
    let lines = r#"
        mkdir functions && "$0" completions zsh > functions/_manyhands
        fpath=($PWD/functions $fpath)
        autoload -U compinit && compinit -u -D
        autoload +X _manyhands
        print $_comps[manyhands]
        print ${functions[_manyhands]} | grep -c -- --normalize-columns
        "#;
    let Some(said) = runs("zsh", &["-f"], lines) else { return };
    assert!(said.starts_with("_manyhands\n"), "{said}");
    assert_ne!(said, "_manyhands\n0\n");
}

#[test]
fn another_shell_is_refused_with_those_that_there_are() {
    let outcome = Dir::new().run(["completions", "tcsh"]);
    outcome.status(2).prints("").says("'tcsh'").says("bash, zsh, fish");
    Dir::new().run(["completions"]).status(2).prints("").says("<SHELL>");
}
