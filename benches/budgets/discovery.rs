//! Discovery in a tree as large as a CRM's, against a plain walk that reads every file.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use stripe_product_sync::catalog::{Catalog, lint};
use stripe_product_sync::discovery::{self, Request, Rules, sample};
use tempfile::TempDir;

use super::line::{Figure, Line, Must};

const FILES: usize = 1500;
const FOLDERS: usize = 60;
/// The quickest counts: another process only ever adds.
const ROUNDS: usize = 10;

pub(crate) fn measure() -> Vec<Line> {
    let dir = TempDir::new().unwrap();
    let sold = tree(dir.path());
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let files = read_all(dir.path());
        theirs = theirs.min(start.elapsed());
        assert_eq!(files, FILES);
        let start = Instant::now();
        let catalog = discover(dir.path());
        ours = ours.min(start.elapsed());
        assert_eq!(catalog.products.len(), sold);
    }
    let ms = |time: Duration| Figure(time.as_secs_f64() * 1e3, "ms");
    vec![Line::new(
        format!("discovery in {FILES} files"),
        ms(ours),
        (ms(theirs), "read every file once"),
        Must::StayBelow(150.0),
    )]
}

fn discover(root: &Path) -> Catalog {
    let request = Request {
        root: root.to_owned(),
        rules: Rules::load("ghostcrm").unwrap(),
        lint_policy: lint::Policy::default(),
        pushed: None,
    };
    discovery::discover(request).unwrap()
}

/// The sample catalog amid components, every tenth of which uses its constants; how many
/// products it has.
fn tree(root: &Path) -> usize {
    for (path, text) in sample::SAMPLE {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    for n in read_all(root)..FILES {
        let folder = root.join(format!("src/components/area-{}", n % FOLDERS));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("panel-{n}.tsx")), component(n)).unwrap();
    }
    discover(root).products.len()
}

/// About four kilobytes, as a dashboard's panel has them.
fn component(n: usize) -> String {
    let imports = match n % 10 {
        0 => "import { PRICING_PLANS } from '@/config/pricing/plans';\n",
        _ => "import { formatPrice } from '@/lib/format-price';\n",
    };
    let row = "      <tr key={row.id} className=\"border-b last:border-0\">\n        \
               <td className=\"px-4 py-2\">{row.label}</td>\n        \
               <td className=\"px-4 py-2 text-right\">{row.amount ?? '-'}</td>\n      </tr>\n";
    format!(
        "import {{ useState }} from 'react';\n{imports}\n\
         export function Panel{n}({{ rows }}: {{ rows: Row[] }}) {{\n  \
         const [open, setOpen] = useState(false);\n  return (\n    <table>\n{}    </table>\n  );\n}}\n",
        row.repeat(18)
    )
}

/// Reads every file below; how many.
fn read_all(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files += read_all(&entry.path());
        } else {
            files += 1;
            black_box(fs::read(entry.path()).unwrap());
        }
    }
    files
}
