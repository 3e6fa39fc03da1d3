use crate::Format;
use crate::client::{Client, Next, Request};
use crate::failure::Failure;
use crate::output::print_more;
use crate::terminal::printable;
use crate::time::timestamp;
use lb_common::api::Event;
use std::process::ExitCode;

/// Which events to show.
#[derive(clap::Args)]
pub(crate) struct Events {
    /// Go on with new ones as they happen
    #[arg(short, long)]
    follow: bool,
    /// Only those with a greater sequence; `-o json` shows the sequences
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    after: u64,
}

/// `events`: a line each, as text or as JSON.
pub(crate) fn events(
    client: &Client,
    format: Format,
    events: &Events,
) -> Result<ExitCode, Failure> {
    let request = Request::get(&["events"])
        .query("after", Some(events.after))
        .query("follow", Some(events.follow));
    let mut reader = Next::More;
    client.lines(&request, |json| {
        let event: Event = serde_json::from_slice(json).map_err(|error| client.strange(&error))?;
        reader = print_more(&match format {
            Format::Table => printable(&line(&event)) + "\n",
            Format::Json => String::from_utf8_lossy(json).into_owned() + "\n",
        })?;
        Ok(reader)
    })?;
    if events.follow && reader == Next::More {
        return Err(client.ended());
    }
    Ok(ExitCode::SUCCESS)
}

fn line(event: &Event) -> String {
    let about = match (&event.service, &event.server) {
        (Some(service), Some(server)) => format!("{service}/{server}"),
        (Some(name), None) | (None, Some(name)) => name.clone(),
        (None, None) => "-".to_owned(),
    };
    // One line, whatever the message says.
    let message = event.message.replace('\n', " ");
    format!("{}  {}  {about}  {message}", timestamp(event.time), event.kind)
}
