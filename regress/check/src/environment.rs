//! What levels are given: the PostgreSQL under test, ports, a directory, and clusters that end with the run.

use std::fs::{self, File};
use std::io::Write;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use expanse_cluster_box::cluster_box::{BoxOptions, ClusterBox};
use expanse_cluster_box::ports::{self, Block};
use expanse_scenarios::kit::{block_on, signal, Signal};

use crate::error::Error;

/// What all levels share. Clones are the same.
#[derive(Clone)]
pub struct Environment {
    inner: Arc<Inner>,
}

struct Inner {
    pg_box: PathBuf,
    work: PathBuf,
    ports: RangeInclusive<u16>,
    rounds: Option<usize>,
    keep_results: Option<PathBuf>,
    clusters: Mutex<Vec<Arc<ClusterBox>>>,
    programs: Mutex<Vec<u32>>,
}

impl Environment {
    /// # Errors
    /// [`Error::File`] if the directory of this run cannot be made.
    pub fn new(
        pg_box: PathBuf,
        ports: RangeInclusive<u16>,
        rounds: Option<usize>,
        keep_results: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let pg_box = fs::canonicalize(&pg_box).map_err(Error::file(pg_box))?;
        let work = std::env::temp_dir().join(format!("expanse-check.{}", std::process::id()));
        fs::create_dir(&work).map_err(Error::file(&work))?;
        // Servers belong to another user.
        fs::set_permissions(&work, fs::Permissions::from_mode(0o755))
            .map_err(Error::file(&work))?;
        Ok(Self {
            inner: Arc::new(Inner {
                pg_box,
                work,
                ports,
                rounds,
                keep_results,
                clusters: Mutex::default(),
                programs: Mutex::default(),
            }),
        })
    }

    pub fn pg_box(&self) -> &Path {
        &self.inner.pg_box
    }

    /// A program of the PostgreSQL under test, or of Expanse.
    pub fn program(&self, name: &str) -> PathBuf {
        self.inner.pg_box.join("bin").join(name)
    }

    pub fn work(&self) -> &Path {
        &self.inner.work
    }

    pub fn rounds(&self) -> Option<usize> {
        self.inner.rounds
    }

    pub fn keep_results(&self) -> Option<&Path> {
        self.inner.keep_results.as_deref()
    }

    /// # Errors
    /// [`Error::Box`] if no ports are free.
    pub fn ports(&self) -> Result<Block, Error> {
        Ok(ports::allocate(&self.inner.ports)?)
    }

    /// A cluster that is closed when the run ends, however it ends. It is not started here.
    pub fn cluster(
        &self,
        name: &str,
        nodes: u16,
        coordination: &str,
        block: &Block,
        environment: &[(&str, PathBuf)],
    ) -> Arc<ClusterBox> {
        let mut cluster = ClusterBox::new(BoxOptions {
            expansectl: self.program("expansectl"),
            dir: self.work().join(format!("box-{name}")),
            nodes,
            base_port: block.base(),
            coordination: coordination.into(),
        });
        for (variable, value) in environment {
            cluster = cluster.with_environment(variable, value);
        }
        let cluster = Arc::new(cluster);
        lock(&self.inner.clusters).push(Arc::clone(&cluster));
        cluster
    }

    /// Runs a program to its end, with its output in the log; true if it succeeded.
    ///
    /// # Errors
    /// [`Error::Program`].
    pub fn run(&self, command: &mut Command, log: &Log) -> Result<bool, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source| Error::Program {
            program: program.clone(),
            source,
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.file()?)
            .stderr(log.file()?)
            .spawn()
            .map_err(failed)?;
        lock(&self.inner.programs).push(child.id());
        let status = child.wait().map_err(failed)?;
        lock(&self.inner.programs).retain(|pid| *pid != child.id());
        Ok(status.success())
    }

    /// Ends what still runs and deletes the directory of this run.
    pub fn end(&self) {
        for pid in lock(&self.inner.programs).iter() {
            // It may just have ended.
            let _ = signal(*pid, Signal::Terminate);
        }
        let clusters = std::mem::take(&mut *lock(&self.inner.clusters));
        for cluster in clusters
            .iter()
            .filter(|cluster| cluster.options().dir.exists())
        {
            if let Err(error) = block_on(cluster.close()) {
                eprintln!("{error}");
            }
        }
        if let Err(error) = fs::remove_dir_all(self.work()) {
            eprintln!("{}: {error}", self.work().display());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a level writes what it has to say.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    /// # Errors
    /// [`Error::File`].
    pub fn create(path: PathBuf) -> Result<Self, Error> {
        File::create(&path).map_err(Error::file(&path))?;
        Ok(Self { path })
    }

    /// For a program, or a scenario, to append to.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn file(&self) -> Result<File, Error> {
        let opened = File::options().append(true).open(&self.path);
        opened.map_err(Error::file(&self.path))
    }

    pub fn note(&self, text: impl std::fmt::Display) {
        // What cannot be said is not what the level is about.
        let _ = self.file().map(|mut file| writeln!(file, "{text}"));
    }

    pub fn text(&self) -> String {
        let bytes = fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
