//! What xtask tells the person who started it, on standard error.

use std::io::{BufRead, BufReader, IsTerminal, pipe};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::project::words;

static START: OnceLock<Instant> = OnceLock::new();

/// Starts the clock that headings show.
pub(crate) fn start() {
    START.get_or_init(Instant::now);
}

/// Heads a step: one line, with the minutes and seconds since the start.
pub(crate) fn heading(step: &str) {
    let seconds = START.get_or_init(Instant::now).elapsed().as_secs();
    let line = format!("[{:02}:{:02}] {step}", seconds / 60, seconds % 60);
    eprintln!("{}", paint("1;32", &line));
}

/// One line below a heading.
pub(crate) fn note(text: &str) {
    eprintln!("        {text}");
}

/// Why the command failed.
pub(crate) fn error(error: &Error) {
    eprintln!("{} {error:#}", paint("1;31", "error:"));
}

/// Runs `command`, which does `what`. On a terminal a spinner shows its newest line; what it
/// printed is seen only when it fails.
///
/// # Errors
/// When it can't be started or fails; the error ends with its last lines.
pub(crate) fn quietly(what: &str, command: &mut Command) -> Result<()> {
    let started = Instant::now();
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("        {spinner} {prefix} ({elapsed}) {wide_msg:.dim}")
            .context("the spinner's template")?,
    );
    bar.set_prefix(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    if bar.is_hidden() {
        note(&format!("{what} …"));
    }

    let (reader, writer) = pipe().context("making a pipe")?;
    command.stdout(writer.try_clone().context("sharing a pipe")?).stderr(writer);
    command.env("RUST_BACKTRACE", "0");
    let mut child = command
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().to_string_lossy()))?;
    // The pipe's writing ends live in `command`; it ends for us once they are closed here too.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut printed = Vec::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context("reading what the command prints")?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        bar.set_message(line.trim_start().to_owned());
        printed.push(line);
    }
    let status = child.wait().context("waiting for the command")?;
    bar.finish_and_clear();

    if !status.success() {
        let tail = printed.len().saturating_sub(20);
        bail!("`{}` failed:\n{}", words(command), printed[tail..].join("\n"));
    }
    note(&format!("{what}: done in {} s", started.elapsed().as_secs()));
    Ok(())
}

fn paint(colour: &str, text: &str) -> String {
    let plain = !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    if plain { text.to_owned() } else { format!("\x1b[{colour}m{text}\x1b[0m") }
}
