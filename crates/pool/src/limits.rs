//! The share of the machine that this process may use.

use manyhands_shm::control_group::{ControlGroup, own_control_groups};

use crate::os;

/// Number of cores that this process may use: its affinity, or less if a control group's quota (v2
/// `cpu.max`, v1 `cpu.cfs_quota_us`) gives it less time. At least one.
pub fn usable_cores() -> usize {
    let allowed = match os::affinity().len() {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        allowed => allowed,
    };
    let quota = quota(own_control_groups("cpu"));
    quota.map_or(allowed, |quota| allowed.min(quota.ceil() as usize)).max(1)
}

/// The smallest quota of these groups, in cores.
fn quota(groups: Vec<ControlGroup>) -> Option<f64> {
    let quotas = groups.into_iter().filter_map(|group| match group.is_v2 {
        true => {
            let text = group.read("cpu.max")?;
            let (quota, period) = text.trim().split_once(' ')?;
            ratio(quota, period)
        }
        false => ratio(&group.read("cpu.cfs_quota_us")?, &group.read("cpu.cfs_period_us")?),
    });
    quotas.min_by(f64::total_cmp)
}

/// `max` and -1 mean no quota.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use manyhands_shm::control_group::control_groups;

    fn quota(root: &Path, groups: &str) -> Option<f64> {
        super::quota(control_groups(root, groups, "cpu"))
    }

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
