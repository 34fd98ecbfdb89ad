//! The pages in `web/`, which the binary carries.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::process::Command;

use crate::node;
use crate::process::{self, Failure, Result};
use crate::repository::Repository;

/// Builds `web/dist`, unless it was built from exactly these inputs.
pub(crate) fn build(repository: &Repository) -> Result {
    let web = repository.web();
    node::check()?;
    node::install(&web)?;
    let inputs = inputs(&web).map_err(|error| Failure::new(format!("web: {error}")))?;
    let stamp = web.join("node_modules/.omniwire-built");
    let built = fs::read_to_string(&stamp).is_ok_and(|built| built == inputs);
    if built && web.join("dist/index.html").is_file() {
        println!("   web/dist is up to date");
        return Ok(());
    }
    process::run(Command::new("npm").args(["run", "build"]).current_dir(&web))?;
    if !web.join("dist/index.html").is_file() {
        return Err(Failure::new("`npm run build` in web/ made no dist/index.html"));
    }
    fs::write(&stamp, inputs).map_err(|error| Failure::new(format!("{}: {error}", stamp.display())))
}

/// A hash over the names and contents of all that the pages are built from.
fn inputs(web: &Path) -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    hash_folder(web, &mut hasher)?;
    Ok(format!("{:016x}", hasher.finish()))
}

fn hash_folder(folder: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if name == "node_modules" || name == "dist" {
            continue;
        }
        let path = entry.path();
        path.hash(hasher);
        if path.is_dir() {
            hash_folder(&path, hasher)?;
        } else {
            fs::read(&path)?.hash(hasher);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_change_with_names_and_contents_but_not_with_outputs() {
        let name = format!("omniwire-xtask-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::create_dir_all(folder.join("dist")).unwrap();
        fs::write(folder.join("src/main.ts"), "1").unwrap();
        let first = inputs(&folder).unwrap();

        fs::write(folder.join("dist/index.html"), "built").unwrap();
        assert_eq!(inputs(&folder).unwrap(), first);

        fs::write(folder.join("src/main.ts"), "2").unwrap();
        let second = inputs(&folder).unwrap();
        assert_ne!(second, first);

        fs::rename(folder.join("src/main.ts"), folder.join("src/page.ts")).unwrap();
        assert_ne!(inputs(&folder).unwrap(), second);
        fs::remove_dir_all(&folder).unwrap();
    }
}
