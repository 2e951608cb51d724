//! The program `hearth`: starts the runtime, hands the arguments over, ends with the exit code.
//!
//! Everything else is the library's.

use std::io::Write;
use std::process::ExitCode;

/// The store takes and frees small pieces of memory all the time, on other threads than freed and took them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_files_private();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // Standard error may be closed too; the exit code still tells.
            let _ = writeln!(std::io::stderr(), "error: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(Box::pin(hearth_cli::run(std::env::args_os().collect())))
}

/// Nobody but its owner reads what this program writes, also where a library writes it.
#[cfg(unix)]
fn keep_files_private() {
    use rustix::fs::Mode;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Other systems give a new file the rights of its folder.
#[cfg(not(unix))]
fn keep_files_private() {}
