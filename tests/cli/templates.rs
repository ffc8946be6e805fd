//! The templates that are embedded.

use std::collections::BTreeSet;
use std::path::Path;

use stepladder::commands::templates::{FILES, of_kind};

#[test]
fn every_file_of_the_folder_is_embedded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let on_disk: BTreeSet<String> = walkdir::WalkDir::new(&root)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_file())
        .map(|e| e.path().strip_prefix(&root).expect("below it").display().to_string())
        .collect();
    let embedded: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(embedded, on_disk);
}

#[test]
fn every_template_has_a_description_and_a_default_stands_first() {
    let kinds: BTreeSet<&str> = FILES.iter().filter_map(|(path, _)| path.split('/').next()).collect();
    for kind in kinds {
        let templates = of_kind(kind);
        assert_eq!(templates.first().map(|t| t.name), Some("default"), "{kind}");
        for template in templates {
            assert!(template.description().ends_with('.') || template.description().contains(':'), "{template:?}");
        }
    }
}
