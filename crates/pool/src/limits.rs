//! The share of the machine that this process may use.

use std::fs;
use std::path::Path;

use crate::os;

/// Number of cores that this process may use: its affinity, or less if a control group's quota (v2
/// `cpu.max`, v1 `cpu.cfs_quota_us`) gives it less time. At least one.
pub fn usable_cores() -> usize {
    let allowed = match os::affinity().len() {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        allowed => allowed,
    };
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let quota = quota(Path::new("/sys/fs/cgroup"), &groups);
    quota.map_or(allowed, |quota| allowed.min(quota.ceil() as usize)).max(1)
}

/// The smallest quota, in cores, of all groups named in `groups` (the text of `/proc/self/cgroup`)
/// and of their ancestors.
fn quota(root: &Path, groups: &str) -> Option<f64> {
    let mut least: Option<f64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let folder = match controllers {
            "" => root.to_path_buf(),
            _ if controllers.split(',').any(|name| name == "cpu") => {
                let mut folders = [controllers, "cpu"].map(|name| root.join(name)).into_iter();
                let Some(folder) = folders.find(|at| at.is_dir()) else { continue };
                folder
            }
            _ => continue,
        };
        // In a container, the path may name a group that is not visible; the root is then the
        // container's own group.
        for group in Path::new(path).ancestors() {
            let group = folder.join(group.strip_prefix("/").unwrap_or(group));
            let read = |file: &str| fs::read_to_string(group.join(file)).ok();
            let cores = if controllers.is_empty() {
                read("cpu.max").and_then(|text| {
                    let (quota, period) = text.trim().split_once(' ')?;
                    ratio(quota, period)
                })
            } else {
                read("cpu.cfs_quota_us")
                    .zip(read("cpu.cfs_period_us"))
                    .and_then(|(quota, period)| ratio(&quota, &period))
            };
            if let Some(cores) = cores {
                least = Some(least.map_or(cores, |least| least.min(cores)));
            }
        }
    }
    least
}

/// `max` and -1 mean no quota.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_smallest_quota_of_all_ancestors_counts() {
        let root = root(&[
            ("a/b/cpu.max", "max 100000\n"),
            ("a/cpu.max", "150000 100000\n"),
            ("cpu.max", "400000 100000\n"),
        ]);
        assert_eq!(quota(root.path(), "0::/a/b\n"), Some(1.5));
    }

    #[test]
    fn version_1_of_control_groups_is_read_too() {
        let root = root(&[
            ("cpu,cpuacct/job/cpu.cfs_quota_us", "50000\n"),
            ("cpu,cpuacct/job/cpu.cfs_period_us", "100000\n"),
            ("cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ]);
        assert_eq!(quota(root.path(), "4:memory:/job\n2:cpu,cpuacct:/job\n"), Some(0.5));
    }

    #[test]
    fn a_controller_without_a_folder_hides_no_other_quota() {
        let root = root(&[("cpu.max", "200000 100000\n")]);
        assert_eq!(quota(root.path(), "0::/\n3:cpu:/job\n"), Some(2.0));
    }

    #[test]
    fn a_container_that_cannot_see_its_path_has_its_own_root() {
        let root = root(&[("cpu.max", "200000 100000\n")]);
        assert_eq!(quota(root.path(), "0::/docker/0123\n"), Some(2.0));
        assert_eq!(quota(root.path(), "not a group\n"), None);
    }
}
