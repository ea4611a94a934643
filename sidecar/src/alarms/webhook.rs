//! The webhook: a JSON object by HTTP POST for each critical alarm that begins or ends.
//!
//! ```json
//! {"state":"raised","cluster":"expanse","alarm":{"node_name":"n2","what":"recover transactions", ...}}
//! ```

use std::sync::Arc;
use std::time::Duration;

use expanse_core::live::Blocked;
use parking_lot::RwLock;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::AlarmConfig;

/// Notices that wait to be delivered at most; later ones are only logged.
const WAITING: usize = 64;
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// What is posted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notice {
    /// `raised` or `cleared`.
    pub state: &'static str,
    pub alarm: Blocked,
}

impl Notice {
    pub fn raised(alarm: Blocked) -> Self {
        let state = "raised";
        Self { state, alarm }
    }

    pub fn cleared(alarm: Blocked) -> Self {
        let state = "cleared";
        Self { state, alarm }
    }
}

/// Where notices are handed in.
#[derive(Clone)]
pub struct Notices(mpsc::Sender<Notice>);

impl Notices {
    /// Never waits.
    pub fn send(&self, notice: Notice) {
        if let Err(mpsc::error::TrySendError::Full(notice)) = self.0.try_send(notice) {
            let what = notice.alarm.what;
            tracing::warn!(
                what,
                "too many alarms at once, one is not sent to the webhook"
            );
        }
    }
}

pub fn channel() -> (Notices, mpsc::Receiver<Notice>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Notices(sender), receiver)
}

/// Posts every notice, one after the other, until `stop`. Without a configured address they are dropped.
pub async fn deliver(
    config: Arc<RwLock<AlarmConfig>>,
    mut notices: mpsc::Receiver<Notice>,
    stop: CancellationToken,
) {
    loop {
        let notice = tokio::select! {
            () = stop.cancelled() => return,
            notice = notices.recv() => notice,
        };
        let Some(notice) = notice else {
            return stop.cancelled().await;
        };
        stop.run_until_cancelled(deliver_one(&config, &notice))
            .await;
    }
}

async fn deliver_one(config: &RwLock<AlarmConfig>, notice: &Notice) {
    let body = serde_json::to_string(notice).expect("a notice is plain data");
    let mut pause = FIRST_PAUSE;
    for left in (0..TRIES).rev() {
        let AlarmConfig {
            webhook_url: url,
            webhook_timeout_ms,
        } = config.read().clone();
        if url.is_empty() {
            return;
        }
        let limit = Duration::from_millis(webhook_timeout_ms);
        let body = body.clone();
        let posted = tokio::task::spawn_blocking(move || post(&url, &body, limit));
        match posted.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) if left == 0 => {
                tracing::warn!(error, what = notice.alarm.what, "webhook was not told");
            }
            _ => tokio::time::sleep(pause).await,
        }
        pause *= 2;
    }
}

/// # Errors
/// In words that do not have the address in them: it may hold a secret.
fn post(url: &str, body: &str, limit: Duration) -> Result<(), String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .max_redirects(0)
        .build()
        .into();
    let sent = agent
        .post(url)
        .header("content-type", "application/json")
        .send(body);
    match sent {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answered {}", answer.status())),
        Err(ureq::Error::StatusCode(code)) => Err(format!("it answered {code}")),
        Err(ureq::Error::Timeout(_)) => Err(format!("no answer within {} ms", limit.as_millis())),
        Err(ureq::Error::Io(error)) => Err(error.kind().to_string()),
        Err(_) => Err("it could not be reached".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Answers one request after the other, and gives back what was asked.
    fn server(answers: Vec<&'static str>) -> (u16, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut request = String::new();
                    let mut part = [0; 4096];
                    while !request.ends_with('}') {
                        let length = stream.read(&mut part).unwrap();
                        request.push_str(std::str::from_utf8(&part[..length]).unwrap());
                    }
                    write!(
                        stream,
                        "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    )
                    .unwrap();
                    request
                })
                .collect()
        });
        (port, asked)
    }

    #[tokio::test]
    async fn a_notice_is_posted_until_it_is_taken() {
        let (port, asked) = server(vec!["500 Oops", "204 No Content"]);
        let config = Arc::new(RwLock::new(AlarmConfig {
            webhook_url: format!("http://127.0.0.1:{port}/alarm"),
            webhook_timeout_ms: 2_000,
        }));
        let (notices, receiver) = channel();
        let stop = CancellationToken::new();
        let task = tokio::spawn(deliver(config, receiver, stop.clone()));
        notices.send(Notice::raised(Blocked {
            what: "recover".into(),
            ..Blocked::default()
        }));
        let asked = tokio::task::spawn_blocking(|| asked.join().unwrap())
            .await
            .unwrap();
        stop.cancel();
        task.await.unwrap();
        assert!(asked[1].starts_with("POST /alarm HTTP/1.1"), "{}", asked[1]);
        assert!(asked[1].contains(r#""state":"raised""#) && asked[1].contains("recover"));
    }

    #[test]
    fn an_address_with_a_secret_is_in_no_error() {
        let error = post(
            "http://127.0.0.1:1/s3cret",
            "{}",
            Duration::from_millis(500),
        )
        .unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
