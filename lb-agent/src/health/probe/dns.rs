//! A DNS query over UDP (RFC 1035).

use super::{Outcome, udp};
use crate::health::check::Dns;
use hickory_proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{Name, RData},
};
use std::net::{IpAddr, SocketAddr};

/// Asks once, and judges the first datagram that answers what was asked.
pub(super) async fn run(dns: &Dns, target: SocketAddr) -> Outcome {
    let query = query(dns)?;
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(query.clone());
    let id = message.metadata.id;
    let bytes = message.to_vec().map_err(|error| format!("cannot ask for it: {error}"))?;

    let socket = udp::connect(target).await.map_err(|error| udp::cause(&error))?;
    socket.send(&bytes).await.map_err(|error| udp::cause(&error))?;
    loop {
        let datagram = udp::receive(&socket).await.map_err(|error| udp::cause(&error))?;
        if let Some(outcome) = judge(dns, &query, id, &datagram) {
            return outcome;
        }
    }
}

fn query(dns: &Dns) -> Result<Query, String> {
    let mut name = Name::from_ascii(&dns.name)
        .map_err(|_| format!("\"{}\" is not a domain name", dns.name))?;
    name.set_fqdn(true);
    let record = dns
        .record
        .to_ascii_uppercase()
        .parse()
        .map_err(|_| format!("\"{}\" is not a record type", dns.record))?;
    Ok(Query::query(name, record))
}

/// What a datagram says; nothing if it answers another query.
fn judge(dns: &Dns, query: &Query, id: u16, datagram: &[u8]) -> Option<Outcome> {
    if !datagram.starts_with(&id.to_be_bytes()) {
        return None;
    }
    let Ok(answer) = Message::from_vec(datagram) else {
        return Some(Err("the answer is malformed".to_owned()));
    };
    let code = answer.metadata.response_code;
    // A server that could not read the question cannot repeat it.
    let about_it = match answer.queries.as_slice() {
        [] => code != ResponseCode::NoError,
        [question, ..] => question == query,
    };
    if answer.metadata.message_type != MessageType::Response || !about_it {
        return None;
    }
    if code != ResponseCode::NoError {
        return Some(Err(mnemonic(code)));
    }
    Some(match &dns.expect {
        Some(expect) => match answer.answers.iter().any(|record| is(&record.data, query, expect)) {
            true => Ok(format!("NOERROR, with {expect}")),
            false => Err(format!("NOERROR, but no {} record \"{expect}\"", query.query_type())),
        },
        None => Ok("NOERROR".to_owned()),
    })
}

/// Whether a record's data are the expected ones, of the type that was asked for.
fn is(data: &RData, query: &Query, expect: &str) -> bool {
    if data.record_type() != query.query_type() {
        return false;
    }
    match data {
        RData::A(a) => expect.parse() == Ok(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => expect.parse() == Ok(IpAddr::V6(aaaa.0)),
        RData::TXT(txt) => {
            let unquoted = expect.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            let text = txt.txt_data.concat();
            text == expect.as_bytes() || unquoted.is_some_and(|expect| text == expect.as_bytes())
        }
        _ => words_of(&data.to_string()).eq(words_of(expect)),
    }
}

/// The words of a record's text form, so that case and the dot of the root make no difference.
fn words_of(text: &str) -> impl Iterator<Item = String> {
    text.split_ascii_whitespace().map(|word| {
        word.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(word).to_ascii_lowercase()
    })
}

/// A response code as `dig` writes it (IANA, DNS RCODEs).
fn mnemonic(code: ResponseCode) -> String {
    match code {
        ResponseCode::Unknown(number) => format!("response code {number}"),
        known => format!("{known:?}").to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::RecordType;
    use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT};

    fn name(text: &str) -> Name {
        let mut name = Name::from_ascii(text).expect("a name");
        name.set_fqdn(true);
        name
    }

    fn matches(data: RData, expect: &str) -> bool {
        let query = Query::query(name("x.example"), data.record_type());
        is(&data, &query, expect)
    }

    #[test]
    fn each_type_has_its_text_form() {
        let mail = || name("Mail.Example");
        let rows: [(RData, &str, &str); 9] = [
            (RData::A(A::new(192, 0, 2, 1)), "192.0.2.1", "192.0.2.2"),
            (RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), "2001:DB8:0::1", "::1"),
            (RData::CNAME(CNAME(mail())), "mail.example.", "mail.example.org"),
            (RData::NS(NS(mail())), "MAIL.example", "example"),
            (RData::PTR(PTR(mail())), "mail.example", "mail.example.."),
            (RData::MX(MX::new(10, mail())), "10 mail.example", "20 mail.example"),
            (
                RData::SOA(SOA::new(mail(), name("root.example"), 1, 2, 3, 4, 5)),
                "mail.example. root.example. 1 2 3 4 5",
                "mail.example. root.example. 1 2 3 4 6",
            ),
            (RData::SRV(SRV::new(0, 5, 5060, mail())), "0 5 5060 mail.example.", "0 5 5060 ."),
            (
                RData::TXT(TXT::new(vec!["v=spf1 ".to_owned(), "-all".to_owned()])),
                "v=spf1 -all",
                "V=spf1 -all",
            ),
        ];
        for (data, right, wrong) in rows {
            assert!(matches(data.clone(), right), "{data:?} is {right}");
            assert!(!matches(data.clone(), wrong), "{data:?} isn't {wrong}");
        }
        assert!(matches(RData::TXT(TXT::new(vec!["a b".to_owned()])), "\"a b\""));
        assert!(!matches(RData::TXT(TXT::new(vec!["a b".to_owned()])), "\""));
    }

    #[test]
    fn a_record_of_another_type_does_not_count() {
        let query = Query::query(name("x.example"), RecordType::A);
        assert!(!is(&RData::CNAME(CNAME(name("192.0.2.1"))), &query, "192.0.2.1"));
    }

    #[test]
    fn codes_read_as_dig_writes_them() {
        assert_eq!(mnemonic(ResponseCode::NXDomain), "NXDOMAIN");
        assert_eq!(mnemonic(ResponseCode::ServFail), "SERVFAIL");
        assert_eq!(mnemonic(ResponseCode::Refused), "REFUSED");
        assert_eq!(mnemonic(ResponseCode::Unknown(3000)), "response code 3000");
    }
}
