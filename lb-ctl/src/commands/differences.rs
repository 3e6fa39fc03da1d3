//! Where what runs differs from the file, and the way back.

use super::Named;
use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, show};
use crate::table::Column::Text;
use crate::table::table;
use hyper::Method;
use lb_common::api::Difference;
use std::process::ExitCode;

/// `diff`
pub(crate) fn diff(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    show(client, format, &Request::get(&["diff"]), |differences: Vec<Difference>| View {
        text: list(&differences, "what runs is what the file says"),
        note: None,
        found: !differences.is_empty(),
    })
}

/// What is to go back to the file.
#[derive(clap::Args)]
pub(crate) struct Reset {
    /// Only this service, or this server of it; everything by default
    #[arg(value_name = "SERVICE[/SERVER]")]
    only: Option<Named>,
}

/// `reset`
pub(crate) fn reset(client: &Client, format: Format, reset: &Reset) -> Result<ExitCode, Failure> {
    let only = reset.only.as_ref();
    let request = Request::new(Method::POST, &["reset"])
        .query("service", only.map(|only| &only.service))
        .query("server", only.and_then(|only| only.server.as_ref()));
    show(client, format, &request, |undone: Vec<Difference>| {
        View::from(list(&undone, "nothing to undo: what runs is what the file says"))
    })
}

/// The table of differences: `-` is in the file only, `+` runs only, `~` differs.
fn list(differences: &[Difference], none: &str) -> String {
    if differences.is_empty() {
        return format!("{none}\n");
    }
    let columns =
        [Text(" "), Text("SERVICE"), Text("SERVER"), Text("FIELD"), Text("FILE"), Text("RUNNING")];
    let or_none = |text: Option<&str>| match text {
        None | Some("") => "-".to_owned(),
        Some(text) => text.to_owned(),
    };
    let row = |difference: &Difference| {
        let Difference { service, server, field, file, running } = difference;
        let sign = match (file, running) {
            (Some(_), None) => "-",
            (None, Some(_)) => "+",
            _ => "~",
        };
        vec![
            sign.to_owned(),
            service.clone(),
            or_none(server.as_deref()),
            or_none(Some(field)),
            or_none(file.as_deref()),
            or_none(running.as_deref()),
        ]
    };
    table(&columns, differences.iter().map(row))
}
