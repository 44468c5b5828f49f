//! What counts as a change, on real files.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::event::{
    AccessKind, AccessMode, CreateKind, DataChange, EventKind, Flag, MetadataKind, ModifyKind,
    RemoveKind, RenameMode,
};
use tempfile::TempDir;

use super::notices::is_change;
use super::*;

const LONG: Duration = Duration::from_secs(30);

struct Files {
    dir: TempDir,
    lookout: Lookout,
    imports: BTreeSet<String>,
    rung: Receiver<()>,
}

impl Files {
    /// Below a folder of the temporary one, for it to be moved.
    fn at(root: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let (ring, rung) = channel();
        let rules = Rules::load("ghostcrm").unwrap();
        let wake = move || {
            let _nobody_listens = ring.send(());
        };
        let lookout = Lookout::new(dir.path().join(root), rules, wake);
        Self {
            dir,
            lookout,
            imports: BTreeSet::new(),
            rung,
        }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        let at = |path: &str| self.dir.path().join(path);
        std::fs::rename(at(from), at(to)).unwrap();
    }

    fn look(&mut self) -> Look {
        self.lookout.look(&self.imports)
    }

    fn stamp(&mut self) -> Stamp {
        self.look().stamp
    }

    /// Whether the stamp is another one afterwards.
    fn is_changed_by(&mut self, what: impl FnOnce(&Self)) -> bool {
        let before = self.stamp();
        assert_eq!(self.stamp(), before, "nothing happened");
        what(self);
        self.stamp() != before
    }
}

#[test]
fn what_the_discovery_would_read_is_in_the_stamp() {
    let mut files = Files::at("crm");
    assert!(files.is_changed_by(|f| f.write("crm/src/plans.ts", "export const A = 1;")));
    assert!(files.is_changed_by(|f| f.write("crm/src/plans.ts", "export const A = 22;")));
    assert!(
        files.is_changed_by(|f| f.write("crm/src/addons.ts", "")),
        "added"
    );
    assert!(files.is_changed_by(|f| f.rename("crm/src/addons.ts", "crm/src/more.ts")));
    let more = files.dir.path().join("crm/src/more.ts");
    assert!(
        files.is_changed_by(|_| std::fs::remove_file(&more).unwrap()),
        "removed"
    );
    assert!(files.is_changed_by(|f| f.write("crm/new/folder/x.stripe-products.yaml", "a: 1")));
    assert!(files.is_changed_by(|f| f.rename("crm/new/folder", "crm/new/other")));
    assert!(
        files.is_changed_by(|f| f.write("crm/src/limits.json", "{}")),
        "may be imported"
    );
    // As an editor saves: of the same length, perhaps of the same time.
    assert!(files.is_changed_by(|f| {
        f.write("crm/src/.plans.ts.tmp", "export const A = 33;");
        f.rename("crm/src/.plans.ts.tmp", "crm/src/plans.ts");
    }));
}

#[test]
fn what_it_would_not_read_is_not() {
    let mut files = Files::at("crm");
    files.write("crm/src/plans.ts", "");
    files.write("crm/.gitignore", "/generated\n");
    for path in [
        "crm/node_modules/x/index.js",
        "crm/generated/plans.ts",
        "crm/.next/plans.ts",
        "crm/README.md",
        "crm/src/logo.png",
        "beside.ts",
    ] {
        assert!(!files.is_changed_by(|f| f.write(path, "1")), "{path}");
    }
    let plans = files.dir.path().join("crm/src/plans.ts");
    assert!(
        !files.is_changed_by(|_| drop(std::fs::read(&plans).unwrap())),
        "read"
    );
    // What is ignored is part of it: `generated` is found from now on.
    assert!(files.is_changed_by(|f| f.write("crm/.gitignore", "")));
    assert!(files.is_changed_by(|f| f.write("crm/generated/plans.ts", "12")));
}

#[test]
fn what_scripts_import_from_folders_that_are_not_searched_is() {
    let mut files = Files::at("crm");
    files.write("crm/.gitignore", "/generated\n");
    let plans =
        "import { STARTER } from '../generated/prices'; export const ORG_PLANS = [STARTER];";
    files.write("crm/src/plans.ts", plans);
    files.write("crm/generated/prices.ts", "export const STARTER = {};");
    files.write("crm/generated/other.ts", "");
    let catalog = crate::discovery::discover(crate::discovery::Request {
        root: files.dir.path().join("crm"),
        rules: Rules::load("ghostcrm").unwrap(),
        lint_policy: crate::catalog::lint::Policy::default(),
        pushed: None,
    });
    files.imports = catalog.unwrap().imports;
    assert_eq!(
        files.imports,
        BTreeSet::from(["generated/prices.ts".to_owned()])
    );
    let prices = |f: &Files| {
        f.write(
            "crm/generated/prices.ts",
            "export const STARTER = { id: 1 };",
        )
    };
    assert!(files.is_changed_by(prices));
    assert!(!files.is_changed_by(|f| f.write("crm/generated/other.ts", "1")));
    while files.rung.try_recv().is_ok() {}
    files.write("crm/generated/prices.ts", "");
    files.rung.recv_timeout(LONG).unwrap();
}

#[test]
fn a_root_that_is_missing_comes_and_goes() {
    let mut files = Files::at("crm");
    assert!(files.is_changed_by(|f| f.write("crm/plans.ts", "")));
    assert!(files.is_changed_by(|f| f.rename("crm", "away")));
    assert!(files.is_changed_by(|f| f.rename("away", "crm")));
    let mut lost = Files::at("no/such/folder");
    let look = lost.look();
    assert!(!look.is_told, "there is nothing that could be watched");
    assert!(lost.is_changed_by(|f| f.write("no/such/folder/plans.ts", "")));
    assert!(lost.look().is_told);
}

#[cfg(unix)]
#[test]
fn folders_that_cannot_be_listed_are_part_of_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut files = Files::at("crm");
    files.write("crm/closed/plans.ts", "");
    let closed = files.dir.path().join("crm/closed");
    let allow = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&closed, mode).unwrap();
    };
    let before = files.stamp();
    allow(0o000);
    // The superuser lists it all the same.
    let is_root = std::fs::read_dir(&closed).is_ok();
    assert_eq!(files.stamp() == before, is_root);
    allow(0o755);
    assert_eq!(files.stamp(), before);
}

/// As Kubernetes does it: what the names lead to is swapped as a whole.
#[cfg(unix)]
fn swap(dir: &Path, edition: &str, text: &str) {
    use std::os::unix::fs::symlink;
    let new = dir.join(edition);
    std::fs::create_dir_all(&new).unwrap();
    std::fs::write(new.join("products.yaml"), text).unwrap();
    symlink(edition, dir.join("..data_tmp")).unwrap();
    std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    let name = dir.join("products.yaml");
    if !name.is_symlink() {
        symlink("..data/products.yaml", name).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_swapped_link_is_a_change_below_the_root_and_as_the_root() {
    for root in ["", "products.yaml"] {
        let mut files = Files::at(root);
        swap(files.dir.path(), "..one", "a: 1");
        assert!(
            files.is_changed_by(|f| swap(f.dir.path(), "..two", "a: 2")),
            "{root}"
        );
        assert!(files.look().is_told);
        while files.rung.try_recv().is_ok() {}
        swap(files.dir.path(), "..three", "a: 3");
        files.rung.recv_timeout(LONG).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_mounted_config_map_has_its_catalog_and_a_link_makes_no_second_product() {
    use std::os::unix::fs::symlink;
    let dir = TempDir::new().unwrap();
    let yaml = "currency: usd\nproducts:\n  - {id: a, name: A, amount: 1, interval: month}\n";
    swap(dir.path(), "..one", yaml);
    for (target, link) in [("products.yaml", "b"), ("nowhere", "c")] {
        let link = dir.path().join(format!("{link}.stripe-products.yaml"));
        symlink(target, link).unwrap();
    }
    let catalog = crate::discovery::discover(crate::discovery::Request {
        root: dir.path().to_owned(),
        rules: Rules::load("documents").unwrap(),
        lint_policy: crate::catalog::lint::Policy::default(),
        pushed: None,
    });
    let catalog = catalog.unwrap();
    assert!(catalog.is_complete(), "{:?}", catalog.sources);
    let ids: Vec<&str> = catalog.products.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["a"]);
}

#[test]
fn a_change_rings_also_in_a_folder_that_was_not_there_and_in_one_that_was_moved() {
    let mut files = Files::at("crm");
    files.write("crm/a/plans.ts", "1");
    assert!(files.look().is_told);
    files.write("crm/b/c/plans.ts", "1");
    files.rung.recv_timeout(LONG).unwrap();
    files.rename("crm/a", "crm/moved");
    files.rung.recv_timeout(LONG).unwrap();
    assert!(files.look().is_told);
    for path in ["crm/b/c/plans.ts", "crm/moved/plans.ts"] {
        while files.rung.try_recv().is_ok() {}
        files.write(path, "22");
        files.rung.recv_timeout(LONG).unwrap();
    }
}

#[test]
fn to_read_a_file_rings_nothing() {
    let reads = [
        EventKind::Access(AccessKind::Any),
        EventKind::Access(AccessKind::Read),
        EventKind::Access(AccessKind::Open(AccessMode::Any)),
        EventKind::Access(AccessKind::Close(AccessMode::Read)),
        EventKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)),
    ];
    assert!(!reads.iter().any(is_change));
    let changes = [
        EventKind::Any,
        EventKind::Other,
        EventKind::Access(AccessKind::Close(AccessMode::Write)),
        EventKind::Create(CreateKind::File),
        EventKind::Modify(ModifyKind::Data(DataChange::Any)),
        EventKind::Modify(ModifyKind::Metadata(MetadataKind::Permissions)),
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)),
        EventKind::Remove(RemoveKind::Folder),
    ];
    assert!(changes.iter().all(is_change));
    let lost = notify::Event::new(EventKind::Other).set_flag(Flag::Rescan);
    assert!(is_change(&lost.kind));
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_watched_is_tried_again() {
    use std::collections::BTreeMap;
    let dir = TempDir::new().unwrap();
    let mut notices = Notices::new(|| {});
    let good = (dir.path().to_owned(), (1, 1));
    // No system takes such a name.
    let bad = (dir.path().join("\0"), (1, 2));
    let both = BTreeMap::from([good.clone(), bad]);
    let first = notices.follow(&both);
    assert!(first.is_new && !first.is_complete);
    let again = notices.follow(&both);
    assert!(!again.is_new && !again.is_complete);
    let only = BTreeMap::from([good]);
    assert!(notices.follow(&only).is_complete);
}
