use super::super::checks::{FALL, INITIAL, INTERVAL, KINDS, Kind, OFF, RISE, default_timeout};
use super::super::decode::{Field, Mapping, Read};
use super::super::duration::{duration, written};
use super::super::node::Value;
use super::super::value::{ip_address, number, word};
use super::{Context, probe};
use crate::health::check::Check;
use lb_common::api::Verdict;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

const INTERVALS: RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(24 * 60 * 60);

/// Shortest timeout.
const MIN_TIMEOUT: Duration = Duration::from_millis(10);

/// Most results in a row that can be asked for.
const MAX_COUNT: u32 = 1000;

/// Reads a check, or the word `off`. A kind alone stands for a check with nothing else said.
pub(super) fn check(field: &Field<'_>, context: &Context<'_>) -> Read<Option<Arc<Check>>> {
    let check = match &field.node.value {
        Value::Mapping(_) => field.mapping("a check", |map| {
            let kind =
                map.required("type", Kind::Tcp.word(), word(KINDS.into_iter())).map(|at| at.value);
            read(map, kind, context)
        }),
        Value::Scalar { .. } => {
            let choices =
                KINDS.into_iter().map(|(word, kind)| (word, Some(kind))).chain([(OFF, None)]);
            match word(choices)(field)? {
                None => return Ok(None),
                Some(kind) => field.empty_mapping(|map| read(map, Ok(kind), context)),
            }
        }
        _ => Err(field.wrong_type("a check like tcp or { type: http, path: / }, or off")),
    };
    check.map(|check| Some(context.share(check)))
}

fn read(map: &mut Mapping<'_>, kind: Read<Kind>, context: &Context<'_>) -> Read<Check> {
    let interval = map.or("interval", INTERVAL, duration(INTERVALS));
    // A good timeout isn't refused because of a bad interval.
    let longest = interval.unwrap_or(*INTERVALS.end());
    let timeout = map.or("timeout", default_timeout(longest), |field| {
        let timeout = duration(MIN_TIMEOUT..=*INTERVALS.end())(field)?;
        if timeout > longest {
            let longest = written(longest);
            return Err(field.report(format!("longer than the interval, {longest}")));
        }
        Ok(timeout)
    });
    let rise = map.or("rise", RISE, number(1..=MAX_COUNT));
    let fall = map.or("fall", FALL, number(1..=MAX_COUNT));
    let address = map.optional("address", ip_address);
    let port = map.optional("port", number(1..=u16::MAX.into()));
    let initial = map.or("initial", Verdict::Down, word(INITIAL.into_iter()));
    let probe = probe::probe(map, kind, context.host);
    Ok(Check {
        probe: probe?,
        interval: interval?,
        timeout: timeout?,
        rise: rise?,
        fall: fall?,
        initial: initial?,
        address: address?.map(|at| at.value),
        port: port?.and_then(|at| u16::try_from(at.value).ok()),
    })
}
