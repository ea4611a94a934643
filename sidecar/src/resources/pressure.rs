//! The kernel's pressure stall information.

use std::fs;
use std::path::{Path, PathBuf};

use expanse_core::live::NodeLoad;

const MACHINE: &str = "/proc/pressure";
/// Where cgroup v2 is mounted: alone, or next to version 1.
const CGROUP_MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// Where the pressure of this machine, and of the server's cgroup, can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressure {
    machine: PathBuf,
    cgroup: Option<PathBuf>,
}

impl Pressure {
    /// Of the machine and, where it can be told, of the cgroup that process `pid` is in.
    pub fn of_process(pid: Option<i32>) -> Self {
        let groups = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/cgroup")).ok());
        let path = groups.as_deref().and_then(cgroup_path);
        Self {
            machine: MACHINE.into(),
            cgroup: path.and_then(|path| {
                CGROUP_MOUNTS
                    .iter()
                    .map(|mount| Path::new(mount).join(path.trim_start_matches('/')))
                    .find(|group| group.join("cpu.pressure").exists())
            }),
        }
    }

    /// The higher of machine and cgroup, each; 0 for what the kernel does not say.
    pub fn sample(&self) -> NodeLoad {
        let one = |resource: &str| {
            let machine = share(&self.machine.join(resource));
            let group = self.cgroup.as_ref();
            let group = group.map_or(0.0, |g| share(&g.join(format!("{resource}.pressure"))));
            machine.max(group)
        };
        NodeLoad {
            cpu: one("cpu"),
            memory: one("memory"),
            io: one("io"),
            activity: 0.0,
        }
    }
}

/// The path of a process in the hierarchy of cgroup v2, from its `/proc/<pid>/cgroup`.
fn cgroup_path(text: &str) -> Option<&str> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    (path != "/").then_some(path)
}

fn share(file: &Path) -> f64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    parse(&text).unwrap_or(0.0)
}

/// `avg10` of the line `some`, as a share of 1.
fn parse(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent = some.split(' ').find_map(|f| f.strip_prefix("avg10="))?;
    let percent: f64 = percent.parse().ok()?;
    percent
        .is_finite()
        .then(|| (percent / 100.0).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words() {
        let text = "some avg10=91.97 avg60=89.94 avg300=50.77 total=3975737331\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(parse(text), Some(0.9197));
        assert_eq!(parse("full avg10=3.00 avg60=0.00"), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse("some avg10=nan"), None);
    }

    #[test]
    fn the_group_of_version_2() {
        assert_eq!(
            cgroup_path("9:name=systemd:/\n0::/system.slice/pg.service\n"),
            Some("/system.slice/pg.service")
        );
        assert_eq!(cgroup_path("0::/\n"), None);
        assert_eq!(cgroup_path("4:memory:/x\n"), None);
    }

    #[test]
    fn the_higher_of_machine_and_group_counts() {
        let machine = tempfile::tempdir().unwrap();
        let group = tempfile::tempdir().unwrap();
        let line =
            |percent: u32| format!("some avg10={percent}.00 avg60=0.00 avg300=0.00 total=0\n");
        fs::write(machine.path().join("cpu"), line(20)).unwrap();
        fs::write(machine.path().join("io"), line(70)).unwrap();
        fs::write(group.path().join("cpu.pressure"), line(50)).unwrap();
        let load = Pressure {
            machine: machine.path().into(),
            cgroup: Some(group.path().into()),
        }
        .sample();
        assert_eq!((load.cpu, load.io, load.memory), (0.5, 0.7, 0.0));
    }
}
