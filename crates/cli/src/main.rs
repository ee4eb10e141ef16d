//! The `manyhands` command.

fn main() {
    manyhands::init();
}
