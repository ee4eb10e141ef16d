//! Each step does what its flag says, and steps are done in the order typed.

use crate::kit::Dir;

/// The output of `manyhands clean in.csv -o -` for this file.
#[track_caller]
fn cleaned(input: &str, flags: &[&str]) -> String {
    let dir = Dir::with(input);
    let outcome = dir.run(["clean", "in.csv", "-o", "-", "--quiet"].iter().chain(flags));
    // Nothing but how many records are rejected.
    assert!(outcome.done().stderr.lines().all(|line| line.contains("rejected")), "{outcome:?}");
    outcome.stdout
}

#[test]
fn without_steps_bytes_leave_as_they_came() {
    let text = "id,\"a \"\"b\"\"\",c\r\n007,\"x,y\n\",1.0530\r\n18446744073709551617,, z \n";
    assert_eq!(cleaned(text, &[]), text);
}

#[test]
fn drop_empty_rows() {
    let input = "a,b\n1,2\n,\n\n\"\",\n3,\n";
    assert_eq!(cleaned(input, &["--drop-empty-rows"]), "a,b\n1,2\n3,\n");
}

#[test]
fn normalize_columns() {
    let input = " Unit Price ,ID,b\n1,2,3\n";
    assert_eq!(cleaned(input, &["--normalize-columns"]), "unit_price,id,b\n1,2,3\n");
    assert_eq!(
        cleaned(input, &["--normalize-columns", "--select", "ID,unit_price"]),
        "id,unit_price\n2,1\n"
    );
}

#[test]
fn trim() {
    let input = "a,b\n x ,\t y\n\" z\",w\n";
    assert_eq!(cleaned(input, &["--trim", "all"]), "a,b\nx,y\n\"z\",w\n");
    assert_eq!(cleaned(input, &["--trim", "b"]), "a,b\n x ,y\n\" z\",w\n");
}

#[test]
fn number() {
    let input = "a,b\n\"1.234,5\",5 %\n(7),12.5%\n";
    assert_eq!(
        cleaned(
            input,
            &["--number", "a=decimal:, group:.", "--number", "b=decimal:. percent:share"]
        ),
        "a,b\n\"1234.5\",0.05\n-7,0.125\n"
    );
    assert_eq!(cleaned(input, &["--number", "all=percent:number"]), "a,b\n\"1234.5\",5\n-7,12.5\n");
}

#[test]
fn a_number_that_may_be_two_fails_its_file_with_both_readings() {
    let dir = Dir::with("a,b\n7,x\n1.234,y\n");
    let outcome = dir.clean("in.csv -o out.csv --number a");
    outcome.status(1).says(
        "in.csv: step 1 (number): column \"a\": \"1.234\" in line 3 is 1.234 with a decimal point",
    );
    assert_eq!(dir.names(), ["in.csv"]);
    dir.clean("in.csv -o out.csv --number a=group:.").done();
    assert_eq!(dir.read("out.csv"), "a,b\n7,x\n1234,y\n");
}

#[test]
fn null() {
    let input = "a,b\nNA,-\nna,n/a\n\"NA\",NAN\n";
    assert_eq!(cleaned(input, &["--null", "NA,-,n/a"]), "a,b\n,\nna,\n\"\",NAN\n");
    assert_eq!(cleaned("a,b\n-,1\n", &["--null", "-"]), "a,b\n,1\n");
}

#[test]
fn replace() {
    let input = "a,b\n1.234.567,x/y\n8,x/y\n";
    assert_eq!(cleaned(input, &["--replace", r"a=/\.//"]), "a,b\n1234567,x/y\n8,x/y\n");
    assert_eq!(
        cleaned(input, &["--replace", r"b=/(\w)\/(\w)/$2\/$1/"]),
        "a,b\n1.234.567,y/x\n8,y/x\n"
    );
    assert_eq!(cleaned(input, &["--replace", "b=|/| or |"]), "a,b\n1.234.567,x or y\n8,x or y\n");
}

#[test]
fn types() {
    let input = "id,n,day\n1, 2.5 ,2026-01-31\nx,1,2026-02-01\n3,1e3,yesterday\n4,,\n";
    let flags = ["--types", "id=int,n=number,day=date"];
    assert_eq!(cleaned(input, &flags), "id,n,day\n1, 2.5 ,2026-01-31\n4,,\n");
    assert_eq!(
        cleaned(input, &["--types", "id=int,day=date", "--on-bad", "null"]),
        "id,n,day\n1, 2.5 ,2026-01-31\n,1,2026-02-01\n3,1e3,\n4,,\n"
    );
}

#[test]
fn filter() {
    let input = "city,value\nUlm,1\nBonn,1000\nUlm,\nBonn,20\n";
    assert_eq!(cleaned(input, &["--filter", "value <= 500"]), "city,value\nUlm,1\nBonn,20\n");
    assert_eq!(
        cleaned(input, &["--filter", "city = 'Ulm' AND value IS NOT NULL"]),
        "city,value\nUlm,1\n"
    );
    assert_eq!(cleaned(input, &["--filter", "-value < -900"]), "city,value\nBonn,1000\n");
}

#[test]
fn outliers() {
    let rows: String = (1..=19).map(|n| format!("{n}\n")).collect();
    let input = format!("v\n{rows}1000\n");
    let expected = format!("v\n{rows}");
    for rule in ["iqr:1.5", "zscore:3", "mad:3", "quantile:0:0.95", "range:0:100"] {
        assert_eq!(cleaned(&input, &["--outliers", &format!("v={rule}")]), expected, "{rule}");
    }
}

#[test]
fn fill() {
    let input = "a,b\n1,x\n,\n2,y\n,\n";
    assert_eq!(cleaned(input, &["--fill", "a=0"]), "a,b\n1,x\n0,\n2,y\n0,\n");
    assert_eq!(cleaned(input, &["--fill", "b=ffill"]), "a,b\n1,x\n,x\n2,y\n,y\n");
    assert_eq!(cleaned(input, &["--fill", "a=mean"]), "a,b\n1,x\n1.5,\n2,y\n1.5,\n");
    assert_eq!(cleaned(input, &["--fill", "a=median"]), "a,b\n1,x\n1.5,\n2,y\n1.5,\n");
    assert_eq!(cleaned(input, &["--fill", "b=n,a"]), "a,b\n1,x\n,\"n,a\"\n2,y\n,\"n,a\"\n");
}

#[test]
fn dedupe() {
    let input = "a,b\n1,x\n1,y\n1,x\n\"1\",x\n2,x\n";
    assert_eq!(cleaned(input, &["--dedupe", "a"]), "a,b\n1,x\n2,x\n");
    assert_eq!(cleaned(input, &["--dedupe", "all"]), "a,b\n1,x\n1,y\n2,x\n");
    assert_eq!(cleaned(input, &["--dedupe", "b,a"]), "a,b\n1,x\n1,y\n2,x\n");
}

#[test]
fn derive() {
    let input = "a,b\n1,2\n4,\n";
    assert_eq!(cleaned(input, &["--derive", "c = a + b"]), "a,b,c\n1,2,3\n4,,\n");
    assert_eq!(cleaned(input, &["--derive", "a=a / 8"]), "a,b\n0.125,2\n0.5,\n");
    assert_eq!(cleaned(input, &["--derive", "s=a / max(a)"]), "a,b,s\n1,2,0.25\n4,,1.0\n");
    assert_eq!(cleaned(input, &["--derive", "t=a = 1"]), "a,b,t\n1,2,true\n4,,false\n");
}

#[test]
fn rename_select_and_drop() {
    let input = "a=b,\"x, y\",c\n1,2,3\n";
    assert_eq!(cleaned(input, &["--rename", "a=b=d,c=e"]), "d,\"x, y\",e\n1,2,3\n");
    assert_eq!(cleaned(input, &["--rename", "\"x, y=z\""]), "a=b,z,c\n1,2,3\n");
    assert_eq!(cleaned(input, &["--select", "c,\"x, y\""]), "c,\"x, y\"\n3,2\n");
    assert_eq!(cleaned(input, &["--drop", "\"x, y\",c"]), "a=b\n1\n");
}

#[test]
fn permuted_steps_are_done_in_the_order_typed() {
    let input = "v\n1\n2\n4\n";
    assert_eq!(
        cleaned(input, &["--filter", "v < 3", "--derive", "v = v / max(v)"]),
        "v\n0.5\n1.0\n"
    );
    assert_eq!(
        cleaned(input, &["--derive", "v = v / max(v)", "--filter", "v < 3"]),
        "v\n0.25\n0.5\n1.0\n"
    );
    assert_eq!(
        cleaned(input, &["--derive", "v = v + 1", "--filter", "v < 4", "--derive", "v = v + 1"]),
        "v\n3\n4\n"
    );
}

#[test]
fn the_first_program_of_the_article() {
    let dir = Dir::new()
        .file("data/a.csv", "Id, Value \n1,100\n,\n2,400\n3,501\n")
        .file("data/b.csv", "id,value\n1,0\n");
    dir.run([
        "clean",
        "data/",
        "-o",
        "cleaned/",
        "--drop-empty-rows",
        "--normalize-columns",
        "--filter",
        "value <= 500",
        "--derive",
        "normalized_value = value / (max(value) + 1e-9)",
    ])
    .done()
    .says("2 files, 5 rows in, 3 out, 0 rejected, 2 dropped, ");
    assert_eq!(dir.read("cleaned/cleaned_b.csv"), "id,value,normalized_value\n1,0,0.0\n");
    let text = dir.read("cleaned/cleaned_a.csv");
    let max = 400.0 + 1e-9;
    let expected =
        format!("id,value,normalized_value\n1,100,{}\n2,400,{}\n", 100.0 / max, 400.0 / max);
    assert_eq!(text, expected);
}
