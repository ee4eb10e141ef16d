//! The `manyhands` command.

fn main() {
    manyhands::init();
    std::process::exit(manyhands_cli::run(std::env::args_os()));
}
