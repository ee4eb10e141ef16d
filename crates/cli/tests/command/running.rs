//! Workers, memory, temporary files: none of them changes the output.

use crate::kit::Dir;

#[test]
fn the_output_is_the_same_whatever_it_runs_with() {
    let rows: String = (0..200_000).map(|n| format!("{n},{}\n", n * 7919 % 10_007)).collect();
    let text = format!("id,v\n{rows}");
    let dir = Dir::with(&text);
    let steps = ["--dedupe=v", "--outliers=v=iqr:0.4", "--derive=s = v / sum(v)", "--fill=v=ffill"];
    let expected = dir.run(["clean", "in.csv", "-o", "-", "--quiet"].iter().chain(&steps));
    assert!(expected.done().stdout.lines().count() > 1_000);
    for flags in [
        &["--workers=1"][..],
        &["--workers=3", "--memory=64K"],
        &["--workers", "2", "--temp-dir", "."],
    ] {
        let command = ["clean", "in.csv", "-o", "-", "--quiet"];
        let outcome = dir.run(command.iter().chain(&steps).chain(flags));
        assert!(outcome.done().stdout == expected.stdout, "{flags:?}");
        let arguments = ["clean", "-", "-o", "-", "--quiet"];
        let outcome = dir.command(arguments.iter().chain(&steps).chain(flags)).input(&text).run();
        assert!(outcome.done().stdout == expected.stdout, "{flags:?}");
    }
    assert_eq!(dir.names(), ["in.csv"]);
}

#[test]
fn clusters_are_reached_from_the_command_of_the_python_package() {
    let dir = Dir::with("a\n1\n");
    let outcome = dir.clean("in.csv -o out.csv --engine dask://127.0.0.1:1");
    outcome.status(2).says("hint: that of the Python package does: pip install manyhands");
    dir.clean("in.csv -o out.csv --engine ray --workers 3").status(2);
    assert_eq!(dir.names(), ["in.csv"]);
}
