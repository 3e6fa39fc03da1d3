use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, show};
use hyper::Method;
use lb_common::api::{MAX_CHECK, Problem};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

/// `check`
pub(crate) fn check(client: &Client, format: Format, file: &Path) -> Result<ExitCode, Failure> {
    let (name, text) = if file == Path::new("-") {
        ("<stdin>".to_owned(), bounded(io::stdin()))
    } else {
        (file.display().to_string(), File::open(file).and_then(bounded))
    };
    let text = text.map_err(|error| Failure::Refused(format!("cannot read {name}: {error}")))?;
    if text.len() > MAX_CHECK {
        return Err(Failure::Refused(Problem::too_large(&name).to_string()));
    }
    let request = Request::new(Method::POST, &["check"]).query("path", Some(&name)).body(text);
    show(client, format, &request, |problems: Vec<Problem>| view(&name, &problems))
}

/// Reads as far as it takes to know that it is too large.
fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(MAX_CHECK as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn view(name: &str, problems: &[Problem]) -> View {
    let found = !problems.is_empty();
    let text = if found {
        problems.iter().map(|problem| format!("{problem}\n")).collect()
    } else {
        format!("{name}: good\n")
    };
    let note = found.then(|| match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    });
    View { text, note, found }
}
