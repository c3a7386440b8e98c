//! The binary `emulator`.

use std::process::ExitCode;

fn main() -> ExitCode {
    emulator::cli::main(machines::BOARDS)
}
