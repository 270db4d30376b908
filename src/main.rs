//! Entry; nothing else.

fn main() -> std::process::ExitCode {
    akund::cli::main(std::env::args_os())
}
