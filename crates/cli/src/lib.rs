//! The `manyhands` command as a library: arguments, progress, exit codes.
