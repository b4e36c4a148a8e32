//! Whatever a file holds, it is read, or refused with a place in it.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("/nowhere/Workflowfile.yml");
    let found = match flow::file::from_bytes("Workflowfile.yml", bytes.to_vec(), path) {
        Ok(loaded) => loaded.warnings,
        Err(errors) => {
            assert!(errors.has_errors(), "refused without a reason");
            errors
        }
    };
    for (source, one) in found.iter() {
        for label in &one.labels {
            assert!(
                source.text.get(label.span.clone()).is_some(),
                "{one:?} is at no place"
            );
        }
    }
    let rendered = found.render(false);
    assert!(
        !rendered.chars().any(|c| c.is_control() && c != '\n'),
        "{rendered:?}"
    );
    for line in found.to_json().lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
    }
});
