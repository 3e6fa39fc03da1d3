use super::place::Place;
use super::{Handle, Limits, Refusal, changes, follow};
use crate::events::EventLog;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRef, FromRequest, Path, Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Extension, Json, Router};
use lb_common::api::{
    ConnectionQuery, Connections, Difference, MAX_CHECK, MAX_SERVICE, Problem, ReasonCount,
    ServerDetail, Service, Status,
};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// Largest body of a request that has no limit of its own, in bytes.
pub(super) const MAX_BODY: usize = 64 << 10;

/// Checks that may be under way at the same time; each may hold [`MAX_CHECK`] bytes.
const CHECKS: usize = 4;

/// Answers with all services or connections that may be under way at the same time; with 100,000
/// servers each holds some 40 MB until its client has taken it.
const LISTS: usize = 4;

/// What the server needs to answer.
#[derive(Clone)]
pub struct Api {
    pub(super) core: Handle,
    pub(super) events: EventLog,
    check: Arc<Check>,
    pub(super) limits: Limits,
}

type Check = dyn Fn(&str, &[u8]) -> Vec<Problem> + Send + Sync;

/// The state behind the routes.
#[derive(Clone)]
pub(super) struct Inside {
    pub(super) api: Api,
    pub(super) followers: Arc<Semaphore>,
    /// Becomes true when the server ends.
    pub(super) stopped: watch::Receiver<bool>,
    checks: Arc<Semaphore>,
    lists: Arc<Semaphore>,
}

impl FromRef<Inside> for Api {
    fn from_ref(inside: &Inside) -> Self {
        inside.api.clone()
    }
}

impl Api {
    /// An API that asks `core`, and tells of `events`. `check` says what is wrong in a
    /// configuration file, given its name and its text; it runs beside the core, on a thread of
    /// its own, for it may take long.
    pub fn new(
        core: Handle,
        events: EventLog,
        check: impl Fn(&str, &[u8]) -> Vec<Problem> + Send + Sync + 'static,
    ) -> Self {
        Self { core, events, check: Arc::new(check), limits: Limits::default() }
    }

    /// With other limits than the default ones.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    pub(super) fn router(self, stopped: watch::Receiver<bool>) -> Router {
        let limits = self.limits;
        let inside = Inside {
            api: self,
            followers: Arc::new(Semaphore::new(limits.followers)),
            stopped,
            checks: Arc::new(Semaphore::new(CHECKS)),
            lists: Arc::new(Semaphore::new(LISTS)),
        };
        let body = DefaultBodyLimit::max;
        let reload = Router::new()
            .route("/v1/reload", post(changes::reload))
            .layer(middleware::from_fn_with_state(limits.reload, in_time));
        Router::new()
            .route("/v1/status", get(status))
            .route(
                "/v1/services",
                get(services).post(changes::add_service).layer(body(MAX_SERVICE)),
            )
            .route("/v1/services/{service}", get(service).delete(changes::remove_service))
            .route("/v1/services/{service}/servers", post(changes::add_server))
            .route(
                "/v1/services/{service}/servers/{server}",
                get(server).patch(changes::change_server).delete(changes::remove_server),
            )
            .route("/v1/hosts/{address}", patch(changes::change_host))
            .route("/v1/connections", get(connections))
            .route("/v1/reasons", get(reasons))
            .route("/v1/events", get(follow::events))
            .route("/v1/check", post(check).layer(body(MAX_CHECK)))
            .route("/v1/config", get(config))
            .route("/v1/diff", get(diff))
            .route("/v1/reset", post(changes::reset))
            .route("/v1/detach", post(changes::detach))
            .layer(middleware::from_fn_with_state(limits.answer, in_time))
            .merge(reload)
            .fallback(unknown_path)
            .method_not_allowed_fallback(wrong_method)
            .layer(body(MAX_BODY))
            .with_state(inside)
    }
}

pub(super) type Answer<T> = Result<Json<T>, Refusal>;

async fn status(State(api): State<Api>) -> Answer<Status> {
    api.core.ask(|core| core.status()).await.map(Json)
}

async fn services(
    State(inside): State<Inside>,
    Extension(place): Extension<Place>,
) -> Answer<Vec<Service>> {
    inside.list(&place).await?;
    inside.api.core.ask(|core| core.services()).await.map(Json)
}

async fn service(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
) -> Answer<Service> {
    let Path(service) = path?;
    api.core.ask(move |core| core.service(&service)).await.map(Json)
}

async fn server(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Answer<ServerDetail> {
    let Path((service, server)) = path?;
    api.core.ask(move |core| core.server(&service, &server)).await.map(Json)
}

async fn connections(
    State(inside): State<Inside>,
    Extension(place): Extension<Place>,
    query: Result<Query<ConnectionQuery>, QueryRejection>,
) -> Answer<Connections> {
    let Query(query) = query?;
    if query.server.is_some() && query.service.is_none() {
        return Err(Refusal::nameless_server());
    }
    inside.list(&place).await?;
    inside.api.core.ask(move |core| core.connections(&query)).await.map(Json)
}

async fn reasons(State(api): State<Api>) -> Answer<Vec<ReasonCount>> {
    api.core.ask(|core| core.reasons()).await.map(Json)
}

async fn config(
    State(inside): State<Inside>,
    Extension(place): Extension<Place>,
) -> Result<([(HeaderName, &'static str); 1], String), Refusal> {
    inside.list(&place).await?;
    let file = inside.api.core.ask(|core| core.config()).await?;
    Ok(([(CONTENT_TYPE, "text/yaml; charset=utf-8")], file))
}

async fn diff(State(api): State<Api>) -> Answer<Vec<Difference>> {
    api.core.ask(|core| core.diff()).await.map(Json)
}

/// The query of a check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckQuery {
    /// The file's name, to appear in the problems.
    path: String,
}

async fn check(
    State(Inside { api, checks, .. }): State<Inside>,
    query: Result<Query<CheckQuery>, QueryRejection>,
    request: Request,
) -> Answer<Vec<Problem>> {
    let Query(CheckQuery { path }) = query?;
    // Taken before the body is read: it bounds the memory that checks use.
    let permit = checks.acquire_owned().await.map_err(|_| Refusal::Stopping)?;
    let text = Bytes::from_request(request, &()).await?;
    let problems = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        (api.check)(&path, &text)
    });
    problems.await.map(Json).map_err(|error| Refusal::Failed(format!("the check failed: {error}")))
}

impl Inside {
    /// Waits until one more long answer may be made; it counts until its client has taken it.
    async fn list(&self, place: &Place) -> Result<(), Refusal> {
        let permit = self.lists.clone().acquire_owned().await.map_err(|_| Refusal::Stopping)?;
        place.keep(permit);
        Ok(())
    }
}

async fn unknown_path(uri: Uri) -> Refusal {
    Refusal::Unknown(format!("the control API has nothing at {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal::Method(format!("{method} is not for {}", uri.path()))
}

async fn in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        let message = format!("no answer within {limit:?}; the request may still take effect");
        Refusal::TooSlow(message).into_response()
    })
}
