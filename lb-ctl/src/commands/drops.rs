use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, show};
use crate::table::Column::{Number, Text};
use crate::table::{count, table};
use lb_common::api::ReasonCount;
use lb_common::reason::Outcome;
use std::cmp::Reverse;
use std::process::ExitCode;

/// Which reasons to show.
#[derive(clap::Args)]
pub(crate) struct Drops {
    /// Also why packets were passed to the kernel or forwarded
    #[arg(long)]
    all: bool,
}

/// `drops`
pub(crate) fn drops(client: &Client, format: Format, drops: &Drops) -> Result<ExitCode, Failure> {
    let request = Request::get(&["reasons"]);
    show(client, format, &request, |reasons| View::from(view(reasons, drops.all)))
}

/// In this order, what went nowhere first.
const OUTCOMES: [Outcome; 4] =
    [Outcome::Dropped, Outcome::Answered, Outcome::Passed, Outcome::Forwarded];

fn view(mut reasons: Vec<ReasonCount>, all: bool) -> String {
    let lost = [Outcome::Dropped.word(), Outcome::Answered.word()];
    reasons.retain(|reason| reason.packets > 0 && (all || lost.contains(&&*reason.outcome)));
    if reasons.is_empty() {
        let what = if all { "seen" } else { "dropped" };
        return format!("no packet was {what} since the data plane was loaded\n");
    }
    let place =
        |reason: &ReasonCount| OUTCOMES.iter().position(|outcome| outcome.word() == reason.outcome);
    reasons.sort_by_key(|reason| (place(reason), Reverse(reason.packets)));
    let columns = [Text("OUTCOME"), Number("PACKETS"), Text("REASON"), Text("IN WORDS")];
    let row = |reason: ReasonCount| {
        vec![reason.outcome, count(reason.packets), reason.reason, reason.words]
    };
    table(&columns, reasons.into_iter().map(row))
}
