# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_manyhands_global_optspecs
    string join \n h/help V/version
end

function __fish_manyhands_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_manyhands_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_manyhands_using_subcommand
    set -l cmd (__fish_manyhands_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c manyhands -n "__fish_manyhands_needs_command" -s h -l help -d 'Print help'
complete -c manyhands -n "__fish_manyhands_needs_command" -s V -l version -d 'Print version'
complete -c manyhands -n "__fish_manyhands_needs_command" -f -a "clean" -d 'Clean CSV files, all steps in one run on all cores'
complete -c manyhands -n "__fish_manyhands_needs_command" -f -a "functions" -d 'List the functions of expressions, or explain one'
complete -c manyhands -n "__fish_manyhands_needs_command" -f -a "bench" -d 'Time the cleaning of a file with 1, 2, ... workers, and advise'
complete -c manyhands -n "__fish_manyhands_needs_command" -f -a "completions" -d 'Print the script that lets a shell complete this command'
complete -c manyhands -n "__fish_manyhands_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -s o -l output -d 'Where clean data goes: DIR/, FILE, \'-\' or a database' -r -F
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l name -d 'Names in a directory [default: cleaned_{name}]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l table -d 'The table for the rows, in a database' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l format -d 'Format of output files: csv or parquet [default: by their names]' -r -f -a "csv\t''
parquet\t''"
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l out-delimiter -d 'Delimiter of the output: a text or tab' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l out-quote -d 'Quote character of the output: C or none' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l quote-style -d 'Cells in quotes: needed or all [default: needed]' -r -f -a "needed\t''
all\t''"
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l out-line-end -d 'Line end of the output\'s rows: lf, crlf or cr' -r -f -a "lf\t''
crlf\t''
cr\t''"
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l rejects -d 'Where rejects go: DIR/ or FILE.csv' -r -F
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l report -d 'Write a report with the outcome of all rows' -r -F
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l save-recipe -d 'Save this command\'s steps and settings as a recipe' -r -F
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l trim -d 'Take white space off both ends of cells' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l null -d 'Empty cells that are one of these: NA,-' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l replace -d 'Replace what a regular expression matches' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l number -d 'Rewrite 1.234,56 or (432) to plain numbers' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l types -d 'Check that cells can be read; changes none' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l filter -d 'Keep rows for which an expression is true' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l outliers -d 'Drop rows whose number is out of line' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l fill -d 'Fill empty cells; also ffill, mean, median' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l dedupe -d 'Keep the first of rows equal in these' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l derive -d 'Compute a column, new or old' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l rename -d 'Rename columns' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l select -d 'Keep these columns, in this order' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l drop -d 'Drop these columns' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l recipe -d 'Steps and settings from a file' -r -F
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l param -d 'Value of the parameter :NAME in expressions' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l on-bad -d 'A row with a cell that a step cannot read' -r -f -a "reject\t''
null\t''
fail\t''"
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l on-ragged -d 'A row with too few or too many fields' -r -f -a "reject\t''
pad\t''
fail\t''"
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l missing-column -d 'A file without a column that a step names' -r -f -a "error\t''
null\t''"
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l optional -d 'Columns that a file may lack' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l max-rejects -d 'A file with more rejects than this fails' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l dialect -d 'auto: find delimiter, quotes, titles and header of each file' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l delimiter -d 'Delimiter of the inputs: a text, tab, ws or auto' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l quote -d 'Character that encloses fields: C or none [default: "]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l escape -d 'Character that makes a quote, delimiter or line end text' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l comment -d 'Skip lines that begin with this' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l header-lines -d 'The header is N records, joined [default: 1]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l names -d 'Names of the columns, instead of the header\'s' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l skip-lines -d 'Skip this many lines before the header' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l skip-until -d 'Skip the lines before the first that matches' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l footer -d 'Drop the footer: N records, or all from a match on' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l encoding -d 'The inputs\' encoding, such as windows-1252' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l max-record -d 'A file with a longer record fails [default: 16M]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l workers -d 'Worker processes [default: one per usable core]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l memory -d 'Memory for aggregates and keys [default: 64M]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l temp-dir -d 'Where temporary files go [default: the system\'s]' -r -F
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l engine -d 'Run on the workers of a cluster: dask://HOST:PORT' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l rows -d 'Records that a dry run reads [default: 1000]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l concat -d 'One output of all inputs, which have the same header'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l union -d 'With one output: all columns of all inputs, by name'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l intersect -d 'With one output: only the columns that all inputs have'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l skip-failed -d 'With --concat: leave out inputs that fail'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l infer -d 'Propose types for columns that have none'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l force -d 'Replace outputs that exist'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l resume -d 'Skip inputs that an earlier run has completed'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l drop-empty-rows -d 'Drop rows whose fields are all empty'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l normalize-columns -d 'Tidy names: \' Unit Price\' is unit_price'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l strict -d 'Exit with 1 if anything was rejected'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l skip-initial-space -d 'Ignore spaces before fields'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l no-header -d 'No header: columns are column_1 and so on'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -l dry-run -d 'Print the plan, and the outcome of the first rows'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -s q -l quiet -d 'Print only errors, and warnings about lost rows'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -s v -l verbose -d 'Print the outcome of each file'
complete -c manyhands -n "__fish_manyhands_using_subcommand clean" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c manyhands -n "__fish_manyhands_using_subcommand functions" -s h -l help -d 'Print help'
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l workers -d 'The most workers to try [default: the usable cores]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l runs -d 'Runs for each number of workers; the median counts [default: 3]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l memory -d 'Memory for aggregates and keys [default: 64M]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l temp-dir -d 'Where the outputs are written and removed [default: the system\'s]' -r -F
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l trim -d 'Take white space off both ends of cells' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l null -d 'Empty cells that are one of these: NA,-' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l replace -d 'Replace what a regular expression matches' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l number -d 'Rewrite 1.234,56 or (432) to plain numbers' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l types -d 'Check that cells can be read; changes none' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l filter -d 'Keep rows for which an expression is true' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l outliers -d 'Drop rows whose number is out of line' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l fill -d 'Fill empty cells; also ffill, mean, median' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l dedupe -d 'Keep the first of rows equal in these' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l derive -d 'Compute a column, new or old' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l rename -d 'Rename columns' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l select -d 'Keep these columns, in this order' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l drop -d 'Drop these columns' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l recipe -d 'Steps and settings from a file' -r -F
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l param -d 'Value of the parameter :NAME in expressions' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l on-bad -d 'A row with a cell that a step cannot read' -r -f -a "reject\t''
null\t''
fail\t''"
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l on-ragged -d 'A row with too few or too many fields' -r -f -a "reject\t''
pad\t''
fail\t''"
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l missing-column -d 'A file without a column that a step names' -r -f -a "error\t''
null\t''"
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l optional -d 'Columns that a file may lack' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l dialect -d 'auto: find delimiter, quotes, titles and header of each file' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l delimiter -d 'Delimiter of the inputs: a text, tab, ws or auto' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l quote -d 'Character that encloses fields: C or none [default: "]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l escape -d 'Character that makes a quote, delimiter or line end text' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l comment -d 'Skip lines that begin with this' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l header-lines -d 'The header is N records, joined [default: 1]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l names -d 'Names of the columns, instead of the header\'s' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l skip-lines -d 'Skip this many lines before the header' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l skip-until -d 'Skip the lines before the first that matches' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l footer -d 'Drop the footer: N records, or all from a match on' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l encoding -d 'The inputs\' encoding, such as windows-1252' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l max-record -d 'A file with a longer record fails [default: 16M]' -r
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l drop-empty-rows -d 'Drop rows whose fields are all empty'
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l normalize-columns -d 'Tidy names: \' Unit Price\' is unit_price'
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l skip-initial-space -d 'Ignore spaces before fields'
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -l no-header -d 'No header: columns are column_1 and so on'
complete -c manyhands -n "__fish_manyhands_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c manyhands -n "__fish_manyhands_using_subcommand completions" -s h -l help -d 'Print help'
complete -c manyhands -n "__fish_manyhands_using_subcommand help; and not __fish_seen_subcommand_from clean functions bench completions help" -f -a "clean" -d 'Clean CSV files, all steps in one run on all cores'
complete -c manyhands -n "__fish_manyhands_using_subcommand help; and not __fish_seen_subcommand_from clean functions bench completions help" -f -a "functions" -d 'List the functions of expressions, or explain one'
complete -c manyhands -n "__fish_manyhands_using_subcommand help; and not __fish_seen_subcommand_from clean functions bench completions help" -f -a "bench" -d 'Time the cleaning of a file with 1, 2, ... workers, and advise'
complete -c manyhands -n "__fish_manyhands_using_subcommand help; and not __fish_seen_subcommand_from clean functions bench completions help" -f -a "completions" -d 'Print the script that lets a shell complete this command'
complete -c manyhands -n "__fish_manyhands_using_subcommand help; and not __fish_seen_subcommand_from clean functions bench completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
