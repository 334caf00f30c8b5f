//! The listener of `/metrics`.

use super::limits::Limits;
use super::pause;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves what `render` prints at `/metrics`, and nothing else, until `stop` completes. On a
/// listener of its own, so that no route to the world leads there.
pub async fn serve_metrics(
    listener: TcpListener,
    render: Arc<dyn Fn() -> String + Send + Sync>,
    stop: impl Future<Output = ()>,
) {
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let render = render.clone();
                    let service = service_fn(move |request: hyper::Request<Incoming>| {
                        let response = metrics_reply(&request, &*render);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(Limits::default().head_deadline)
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), service);
                    tokio::spawn(async move {
                        let _ = connection.await;
                    });
                }
                Err(error) => pause(&error).await,
            },
        }
    }
}

fn metrics_reply(
    request: &hyper::Request<Incoming>,
    render: &(dyn Fn() -> String + Send + Sync),
) -> hyper::Response<Body> {
    let mut response = hyper::Response::new(Body::empty());
    if request.method() == Method::GET && request.uri().path() == "/metrics" {
        *response.body_mut() = Body::from(render());
        let value = HeaderValue::from_static(METRICS_MEDIA);
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

/// Text of the `OpenMetrics` format.
const METRICS_MEDIA: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
