//! How many connections the process may have: each is a descriptor, and shells give few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, and says what it is. `Err`: it stays as it was.
pub(crate) fn raise() -> rustix::io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let low = Rlimit { current: Some(200), maximum };
        setrlimit(Resource::Nofile, low).unwrap();
        assert_eq!(raise().unwrap(), maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
    }
}
