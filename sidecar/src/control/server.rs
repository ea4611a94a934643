//! The socket itself.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Answers;

/// A request is never longer.
const LONGEST_LINE: u64 = 1024 * 1024;
/// A client that says nothing for so long is let go.
const IDLE: Duration = Duration::from_secs(300);
/// No answer takes longer.
const ANSWER: Duration = Duration::from_secs(60);

/// Opens the socket at `path`, for its owner alone, in place of one on which no process answers any more.
///
/// # Errors
/// What the system says, or that another process listens there.
pub async fn listen(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() || UnixStream::connect(path).await.is_ok() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::AddrInUse,
                format!("{} is in use", path.display()),
            ));
        }
        std::fs::remove_file(path)?;
    }
    // Made under another name, so that no client can connect before the mode is set.
    let draft = path.with_extension(format!("{}", std::process::id()));
    let _ = std::fs::remove_file(&draft);
    let listener = UnixListener::bind(&draft)?;
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&draft, path)?;
    Ok(listener)
}

/// Answers on `listener` until `stop`.
pub async fn serve(listener: UnixListener, answers: Arc<Answers>, stop: CancellationToken) {
    let clients = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (answers, stop) = (answers.clone(), stop.clone());
                clients.spawn(async move {
                    stop.run_until_cancelled(talk(stream, answers)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept on the control socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    clients.close();
    clients.wait().await;
}

async fn talk(stream: UnixStream, answers: Arc<Answers>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        let mut limited = (&mut reader).take(LONGEST_LINE);
        match timeout(IDLE, limited.read_line(&mut line)).await {
            Ok(Ok(1..)) if line.ends_with('\n') => {}
            _ => return,
        }
        let Ok(answer) = timeout(ANSWER, answers.to(line.trim())).await else {
            return;
        };
        let mut text = serde_json::to_vec(&answer).expect("an answer is plain data");
        text.push(b'\n');
        if writer.write_all(&text).await.is_err() {
            return;
        }
    }
}
