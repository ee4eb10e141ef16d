//! The one reader of control groups: which folders have the limits of this process.

use std::fs;
use std::path::{Path, PathBuf};

/// A control group of this process, or one above it.
#[derive(Debug)]
pub struct ControlGroup {
    folder: PathBuf,
    /// True for version 2, whose files have other names.
    pub is_v2: bool,
}

impl ControlGroup {
    /// The contents of one of the group's files, if there is such a file.
    pub fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }
}

/// The groups of this process for a controller, such as `memory`, with all groups above them.
pub fn own_control_groups(controller: &str) -> Vec<ControlGroup> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    control_groups(Path::new("/sys/fs/cgroup"), &groups, controller)
}

/// The groups that `groups` (the text of `/proc/self/cgroup`) names for a controller, with all groups above them. `root`
/// is where control groups are mounted.
pub fn control_groups(root: &Path, groups: &str, controller: &str) -> Vec<ControlGroup> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let is_v2 = controllers.is_empty();
        let mount = if is_v2 {
            root.to_path_buf()
        } else if controllers.split(',').any(|name| name == controller) {
            let mut mounts = [controllers, controller].map(|name| root.join(name)).into_iter();
            let Some(mount) = mounts.find(|at| at.is_dir()) else { continue };
            mount
        } else {
            continue;
        };
        // In a container, the path may name a group that is not visible; the root is then the container's own group.
        found.extend(Path::new(path).ancestors().map(|group| {
            let folder = mount.join(group.strip_prefix("/").unwrap_or(group));
            ControlGroup { folder, is_v2 }
        }));
    }
    found
}
