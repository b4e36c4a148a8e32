//! The binary: it calls the command line and turns its answer into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    flow::cli::main(std::env::args_os())
}
