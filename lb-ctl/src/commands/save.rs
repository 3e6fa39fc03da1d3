use super::file;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::print;
use crate::terminal::note;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where what runs is written to.
#[derive(clap::Args)]
pub(crate) struct Save {
    /// The file; `-` for the standard output
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

/// `save`. What is written is a configuration file, whatever the format of the output.
pub(crate) fn save(client: &Client, save: &Save) -> Result<ExitCode, Failure> {
    let request = Request::get(&["config"]);
    if file::is_standard(&save.file) {
        let text = client.send(&request)?;
        print(&String::from_utf8_lossy(&text))?;
    } else {
        // Before the agent is troubled.
        file::refuse_existing(&save.file, save.force)?;
        file::write(&save.file, &client.send(&request)?, save.force)?;
        note(&format!("what runs is saved as {}", save.file.display()));
    }
    Ok(ExitCode::SUCCESS)
}
