use super::{Handle, Limits, Refusal};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use lb_common::api::{
    ConnectionQuery, Connections, Error, MAX_CHECK, Problem, ReasonCount, Server, ServerChange,
    Service, Status,
};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Largest body of any other request than a check, in bytes.
const MAX_BODY: usize = 64 << 10;

/// Checks that may be under way at the same time; each may hold [`MAX_CHECK`] bytes.
const CHECKS: usize = 4;

/// What the server needs to answer.
#[derive(Clone)]
pub struct Api {
    core: Handle,
    check: Arc<Check>,
    checks: Arc<Semaphore>,
    pub(super) limits: Limits,
}

type Check = dyn Fn(&str, &[u8]) -> Vec<Problem> + Send + Sync;

impl Api {
    /// An API that asks `core`. `check` says what is wrong in a configuration file, given its name
    /// and its text; it runs beside the core, on a thread of its own, for it may take long.
    pub fn new(
        core: Handle,
        check: impl Fn(&str, &[u8]) -> Vec<Problem> + Send + Sync + 'static,
    ) -> Self {
        Self {
            core,
            check: Arc::new(check),
            checks: Arc::new(Semaphore::new(CHECKS)),
            limits: Limits::default(),
        }
    }

    /// With other limits than the default ones.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/v1/status", get(status))
            .route("/v1/services", get(services))
            .route("/v1/services/{service}", get(service))
            .route("/v1/services/{service}/servers/{server}", patch(change_server))
            .route("/v1/connections", get(connections))
            .route("/v1/reasons", get(reasons))
            .route("/v1/check", post(check).layer(DefaultBodyLimit::max(MAX_CHECK)))
            .route("/v1/detach", post(detach))
            .fallback(unknown_path)
            .method_not_allowed_fallback(wrong_method)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .layer(middleware::from_fn_with_state(self.clone(), in_time))
            .with_state(self)
    }
}

type Answer<T> = Result<Json<T>, Refusal>;

async fn status(State(api): State<Api>) -> Answer<Status> {
    api.core.ask(|core| core.status()).await.map(Json)
}

async fn services(State(api): State<Api>) -> Answer<Vec<Service>> {
    api.core.ask(|core| core.services()).await.map(Json)
}

async fn service(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
) -> Answer<Service> {
    let Path(service) = path?;
    api.core.ask(move |core| core.service(&service)).await.map(Json)
}

async fn change_server(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Server> {
    let Path((service, server)) = path?;
    let change: ServerChange = serde_json::from_slice(&body?)
        .map_err(|error| Refusal::Malformed(format!("not a change of a server: {error}")))?;
    api.core.ask(move |core| core.change_server(&service, &server, change)).await.map(Json)
}

async fn connections(
    State(api): State<Api>,
    query: Result<Query<ConnectionQuery>, QueryRejection>,
) -> Answer<Connections> {
    let Query(query) = query?;
    api.core.ask(move |core| core.connections(&query)).await.map(Json)
}

async fn reasons(State(api): State<Api>) -> Answer<Vec<ReasonCount>> {
    api.core.ask(|core| core.reasons()).await.map(Json)
}

/// The query of a check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckQuery {
    /// The file's name, to appear in the problems.
    path: String,
}

async fn check(
    State(api): State<Api>,
    query: Result<Query<CheckQuery>, QueryRejection>,
    request: Request,
) -> Answer<Vec<Problem>> {
    let Query(CheckQuery { path }) = query?;
    // Taken before the body is read: it bounds the memory that checks use.
    let permit = api.checks.acquire_owned().await.map_err(|_| Refusal::Stopping)?;
    let text = Bytes::from_request(request, &()).await?;
    let check = api.check;
    let problems = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        check(&path, &text)
    });
    problems.await.map(Json).map_err(|error| Refusal::Failed(format!("the check failed: {error}")))
}

async fn detach(State(api): State<Api>) -> Result<StatusCode, Refusal> {
    api.core.ask(|core| core.detach()).await.map(|()| StatusCode::NO_CONTENT)
}

async fn unknown_path(uri: Uri) -> Refusal {
    Refusal::Unknown(format!("the control API has nothing at {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal::Method(format!("{method} is not for {}", uri.path()))
}

async fn in_time(State(api): State<Api>, request: Request, next: Next) -> Response {
    let limit = api.limits.answer;
    timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        let message = format!("no answer within {limit:?}; the request may still take effect");
        Refusal::TooSlow(message).into_response()
    })
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooSlow(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), Json(Error { error: self.to_string() })).into_response()
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::Malformed(rejection.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self::Malformed(rejection.body_text())
    }
}

impl From<BytesRejection> for Refusal {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let message = format!(
                "the body is too large: {MAX_CHECK} bytes at most for a check, {MAX_BODY} else"
            );
            Self::TooLarge(message)
        } else {
            Self::Malformed(rejection.body_text())
        }
    }
}
