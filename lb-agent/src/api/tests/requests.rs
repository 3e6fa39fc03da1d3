//! What is asked and answered.

use super::*;
use serde_json::json;

#[tokio::test]
async fn every_route_answers() {
    let server = Server::start(Limits::default()).await;
    let (status, body) = server.get("/v1/status").await;
    assert_eq!((status, &body["node"]), (200, &json!("lb1")));
    let (status, body) = server.get("/v1/services").await;
    assert_eq!((status, body.as_array().map(Vec::len)), (200, Some(2)));
    let (status, body) = server.get("/v1/services/a%20b").await;
    assert_eq!((status, &body["name"]), (200, &json!("a b")));
    let (status, body) = server.get("/v1/reasons").await;
    assert_eq!((status, body), (200, json!([])));
    let (status, body) = server.get("/v1/connections?service=a%26b&limit=3").await;
    let query = r#"ConnectionQuery { service: Some("a&b"), server: None, limit: Some(3) }"#;
    assert_eq!((status, error(&body)), (500, query));
    let (status, body) = server.ask("POST", "/v1/check?path=%2Fetc%2Flb.yaml", b"text").await;
    assert_eq!((status, &body[0]["file"]), (200, &json!("/etc/lb.yaml")));
    assert_eq!(body[0]["line"], 4);
    assert_eq!(server.ask("POST", "/v1/detach", b"").await, (204, Value::Null));
    let (status, body) = server.ask("POST", "/v1/detach", b"").await;
    assert_eq!((status, error(&body)), (409, "detached already"));
}

#[tokio::test]
async fn servers_are_changed_added_and_removed() {
    let server = Server::start(Limits::default()).await;
    let path = "/v1/services/web/servers/b%2Fc";
    let rows = [
        (json!({ "weight": 3 }), json!([3, "enabled", null])),
        (json!({ "admin": "drained", "deadline": 300 }), json!([3, "drained", 300])),
        (json!({ "admin": "disabled" }), json!([3, "disabled", null])),
        (json!({ "admin": "enabled", "weight": 0 }), json!([0, "enabled", null])),
    ];
    for (change, expected) in rows {
        let (status, body) = server.ask("PATCH", path, change.to_string().as_bytes()).await;
        assert_eq!((status, &body["name"]), (200, &json!("b/c")));
        assert_eq!(json!([body["weight"], body["admin"], body["deadline"]]), expected);
        assert_eq!(server.get(path).await.1["weight"], expected[0]);
    }

    let (status, body) = server.ask("PATCH", "/v1/hosts/192.0.2.2", br#"{"weight":9}"#).await;
    let weights: Vec<_> = body.as_array().unwrap().iter().map(|server| &server["weight"]).collect();
    assert_eq!((status, weights), (200, vec![&json!(9), &json!(9)]));
    let (status, body) = server.ask("PATCH", "/v1/hosts/2001:db8::1", br#"{"weight":9}"#).await;
    assert_eq!((status, body), (200, json!([])));

    let (status, body) = server.ask("POST", "/v1/services/a%20b/servers", b"new").await;
    assert_eq!((status, &body["name"]), (200, &json!("new")));
    let new = "/v1/services/a%20b/servers/new";
    let (status, body) = server.get(new).await;
    assert_eq!((status, &body["service"], &body["history"]), (200, &json!("a b"), &Value::Null));
    assert_eq!(server.ask("DELETE", new, b"").await, (204, Value::Null));
    assert_eq!(server.get(new).await.0, 404);
}

#[tokio::test]
async fn services_are_added_and_removed() {
    let server = Server::start(Limits::default()).await;
    let (status, body) = server.ask("POST", "/v1/services", b"dns").await;
    assert_eq!((status, &body["name"]), (200, &json!("dns")));
    assert_eq!(server.get("/v1/services/dns").await.0, 200);
    assert_eq!(server.ask("DELETE", "/v1/services/dns", b"").await, (204, Value::Null));
    assert_eq!(server.get("/v1/services/dns").await.0, 404);
    assert_eq!(server.ask("DELETE", "/v1/services/dns", b"").await.0, 404);
}

#[tokio::test]
async fn file_and_running_state() {
    let server = Server::start(Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /v1/config HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("content-type: text/yaml"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nservices: []\n"), "{answer}");

    let (status, body) = server.get("/v1/diff").await;
    assert_eq!((status, &body[0]["file"]), (200, &json!("1")));
    let (status, body) = server.ask("POST", "/v1/reset?service=a%20b&server=c", b"").await;
    assert_eq!(
        (status, &body[0]["service"], &body[0]["server"]),
        (200, &json!("a b"), &json!("c"))
    );
    assert_eq!(server.ask("POST", "/v1/reset", b"").await.0, 200);
    let (status, body) = server.ask("POST", "/v1/reload", b"").await;
    assert_eq!((status, &body[0]["line"]), (200, &json!(4)));
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = Server::start(Limits::default()).await;
    let web_a = "/v1/services/web/servers/a";
    let rows: &[(&str, &str, &str, u16, &str)] = &[
        ("GET", "/v1/services/wbe", "", 404, r#"unknown service "wbe": known: web, a b"#),
        ("PATCH", "/v1/services/web/servers/d", r#"{"weight":1}"#, 404, "known: a, b/c"),
        ("PATCH", "/v1/services/a%20b/servers/d", r#"{"weight":1}"#, 404, "there is none"),
        ("GET", "/v2/status", "", 404, "nothing at /v2/status"),
        ("GET", "/", "", 404, "nothing at /"),
        ("DELETE", "/v1/status", "", 405, "DELETE is not for /v1/status"),
        ("GET", "/v1/detach", "", 405, "GET is not for /v1/detach"),
        ("GET", "/v1/services/%ff", "", 400, "UTF-8"),
        ("PATCH", web_a, "", 400, "EOF"),
        ("PATCH", web_a, "{\"weight\":", 400, "EOF"),
        ("PATCH", web_a, r#"{"wieght":1}"#, 400, "expected one of `weight`, `admin`, `deadline`"),
        ("PATCH", web_a, r#"{"weight":-1}"#, 400, "expected u32"),
        ("PATCH", web_a, r#"{"admin":"up"}"#, 400, "expected one of `enabled`, `drained`"),
        ("PATCH", web_a, "{}", 422, "nothing to change"),
        ("PATCH", "/v1/hosts/webA", "{}", 400, r#""webA" is no address; expected one like"#),
        ("PATCH", "/v1/hosts/192.0.2.2:80", "{}", 400, "without a port"),
        ("PATCH", "/v1/hosts/192.0.2.2", "", 400, "EOF"),
        ("POST", "/v1/services/wbe/servers", "x", 404, "known: web, a b"),
        ("DELETE", "/v1/services/web/servers/d", "", 404, "known: a, b/c"),
        ("POST", "/v1/reset?server=a", "", 400, "name that too"),
        ("GET", "/v1/connections?server=a", "", 400, "name that too"),
        ("GET", "/v1/events?after=-1", "", 400, "after"),
        ("GET", "/v1/events?after=1", "", 409, "no event 1 yet, the last is 0"),
        ("GET", "/v1/connections?limit=many", "", 400, "limit"),
        ("GET", "/v1/connections?sevrice=web", "", 400, "`service`"),
        ("POST", "/v1/check", "text", 400, "path"),
    ];
    for (method, path, body, expected, words) in rows {
        let (status, body) = server.ask(method, path, body.as_bytes()).await;
        assert_eq!(status, *expected, "{method} {path}: {body}");
        assert!(error(&body).contains(words), "{method} {path}: {body}");
    }
}

#[tokio::test]
async fn bodies_are_bounded() {
    let server = Server::start(Limits::default()).await;
    let (status, body) = server.ask("POST", "/v1/check?path=x", &vec![b'x'; api::MAX_CHECK]).await;
    assert_eq!((status, &body[0]["line"]), (200, &json!(api::MAX_CHECK)));
    let too_large = vec![b' '; api::MAX_CHECK + 1];
    let (status, body) = server.ask("POST", "/v1/check?path=x", &too_large).await;
    assert_eq!(status, 413, "{body}");
    assert!(error(&body).contains("16777216 bytes at most"), "{body}");
    let rows = [
        ("PATCH", "/v1/services/web/servers/a", 64 << 10, 400),
        ("PATCH", "/v1/hosts/192.0.2.2", 64 << 10, 400),
        ("POST", "/v1/services/web/servers", 64 << 10, 200),
        ("POST", "/v1/services", api::MAX_SERVICE, 200),
    ];
    for (method, path, size, expected) in rows {
        let (status, _) = server.ask(method, path, &too_large[..=size]).await;
        assert_eq!(status, 413, "{method} {path}");
        let (status, body) = server.ask(method, path, &too_large[..size]).await;
        assert_eq!(status, expected, "{method} {path}: {body}");
    }
}

#[test]
fn many_known_names_are_cut() {
    let names: Vec<_> = (0..30).map(|n| format!("s{n}")).collect();
    let refusal = Refusal::unknown("service", "x\u{1b}[2J", names.iter().map(String::as_str));
    let message = refusal.to_string();
    assert!(message.starts_with(r#"unknown service "x\u{1b}[2J": known: s0, s1,"#), "{message}");
    assert!(message.ends_with("s19 and 10 more"), "{message}");
}
