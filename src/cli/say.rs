//! Standard output. A reader that has gone (`mlet … | head`) ends the words, not the work: what is computed is still written.

use std::io::Write;

/// `println!` that does not panic.
macro_rules! say {
    ($($text:tt)*) => { crate::cli::say::text(&format!("{}\n", format_args!($($text)*))) };
}
pub(crate) use say;

/// Prints. What else goes wrong, as a full disk that the output was sent to, is an error of the command.
pub fn text(text: &str) {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to standard output: {error}");
            std::process::exit(1);
        }
        _ => {}
    }
}
