use super::file;
use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, show};
use hyper::Method;
use lb_common::api::{MAX_CHECK, Problem, RELOAD_TIME};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// `check`
pub(crate) fn check(client: &Client, format: Format, file: &Path) -> Result<ExitCode, Failure> {
    let (name, text) = file::read(file, MAX_CHECK)?;
    if text.len() > MAX_CHECK {
        return Err(Failure::Refused(Problem::too_large(&name).to_string()));
    }
    let request = Request::new(Method::POST, &["check"]).query("path", Some(&name)).body(text);
    show(client, format, &request, |problems: Vec<Problem>| {
        view(&problems, &format!("{name}: good"))
    })
}

/// `reload`
pub(crate) fn reload(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    // Longer than the agent, so that it is the agent that says what became of it.
    let client = client.patient(RELOAD_TIME + Duration::from_secs(5));
    show(&client, format, &Request::new(Method::POST, &["reload"]), |problems: Vec<Problem>| {
        view(&problems, "the configuration file is in force")
    })
}

fn view(problems: &[Problem], good: &str) -> View {
    let found = !problems.is_empty();
    let text = if found {
        problems.iter().map(|problem| format!("{problem}\n")).collect()
    } else {
        format!("{good}\n")
    };
    let note = found.then(|| match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    });
    View { text, note, found }
}
