//! Which attacks show an advisory to be none of ours, as `conformance/advisories.md` has it.

const TABLE: &str = include_str!("../../conformance/advisories.md");

/// The names of the attacks in an advisory's row.
pub(crate) fn attacks_for(advisory: &str) -> Vec<&'static str> {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let rows = rows.filter(|(ids, _)| {
        ids.split([',', ' ', '(', ')']).any(|id| id.eq_ignore_ascii_case(advisory))
    });
    let attacks = rows.flat_map(|(_, shown)| shown.split("attack `").skip(1));
    attacks.filter_map(|rest| rest.split('`').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attacks;

    #[test]
    fn an_advisory_names_its_attacks() {
        assert_eq!(attacks_for("CVE-2023-44487"), ["h2-rapid-reset"]);
        assert_eq!(attacks_for("rustsec-2024-0003"), ["h2-control-noread", "h2-made-you-reset"]);
        assert_eq!(attacks_for("CVE-0000-0000"), [""; 0]);
    }

    #[test]
    fn every_attack_of_the_table_is_there() {
        let known: Vec<_> = attacks::all().iter().map(|attack| attack.name).collect();
        for named in TABLE.split("attack `").skip(1).filter_map(|rest| rest.split('`').next()) {
            assert!(known.contains(&named), "{named}");
        }
    }
}
