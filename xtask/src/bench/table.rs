//! The report, in Markdown.

use crate::bench::cases::Case;
use crate::bench::figures::Figures;

/// How a server fared in a case.
#[derive(Debug)]
pub(crate) enum Outcome {
    Measured(Figures),
    /// It can't be had on this machine.
    Missing(String),
    /// It lost or spoiled a message, or ended.
    Failed,
}

/// The head of a report.
pub(crate) fn head(suite: &str, command: &str, machine: &str) -> String {
    format!(
        "# {suite}\n\n`{command}` on {machine}. Each server has one thread on core 0, the generator \
         has core 1; the medians of rounds in turn; every reply was checked byte by byte, in order \
         and by count. CPU is the server's, user and system. Only the ratios (\"÷\") within one \
         table mean something: the figures change with the machine and with what else it does.\n"
    )
}

/// The table of one case: a row for each server.
pub(crate) fn section(case: &Case, outcomes: &[Outcome]) -> String {
    let mut section = format!("\n## {}\n\n| server |", case.title);
    let mut line = "|---|".to_owned();
    for (at, column) in case.columns.iter().enumerate() {
        section += &format!(" {} |", column.what);
        line += "---:|";
        if at == 0 {
            for base in case.bases {
                section += &format!(" ÷ {base} |");
                line += "---:|";
            }
        }
    }
    section += &format!("\n{line}\n");
    let mut notes = String::new();
    for (entry, outcome) in case.entries.iter().zip(outcomes) {
        section += &format!("| {} |", entry.label);
        match outcome {
            Outcome::Measured(figures) => section += &cells(case, figures, outcomes),
            Outcome::Missing(why) => {
                section += &" not here |".repeat(1 + case.bases.len());
                section += &" |".repeat(case.columns.len() - 1);
                notes += &format!("\n{}: {}\n", entry.label, first_line(why));
            }
            Outcome::Failed => {
                section += &" FAILED |".repeat(1 + case.bases.len());
                section += &" |".repeat(case.columns.len() - 1);
            }
        }
        section.push('\n');
    }
    section + &notes
}

fn cells(case: &Case, figures: &Figures, outcomes: &[Outcome]) -> String {
    let mut cells = String::new();
    for (at, column) in case.columns.iter().enumerate() {
        let median = figures.median(column);
        let shown = median.map_or("-".to_owned(), |median| grouped(median, column.decimals));
        cells += &format!(" {shown} |");
        if at > 0 {
            continue;
        }
        for base in case.bases {
            let rows = case.entries.iter().zip(outcomes);
            let divisor = rows.filter(|(entry, _)| entry.label == *base).find_map(
                |(_, outcome)| match outcome {
                    Outcome::Measured(figures) => figures.median(column),
                    _ => None,
                },
            );
            cells += &match (median, divisor) {
                (Some(median), Some(divisor)) if divisor > 0.0 => {
                    format!(" {:.2} |", median / divisor)
                }
                _ => " - |".to_owned(),
            };
        }
    }
    cells
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// With a comma between thousands.
pub(crate) fn grouped(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cases::{Entry, MESSAGES};
    use crate::bench::servers::{ASPNET, OMNIWIRE, TCP};

    #[test]
    fn thousands_are_parted() {
        assert_eq!(grouped(1_234_567.4, 0), "1,234,567");
        assert_eq!(grouped(999.0, 0), "999");
        assert_eq!(grouped(1234.567, 2), "1,234.57");
        assert_eq!(grouped(0.012, 3), "0.012");
    }

    fn measured(json: &str) -> Outcome {
        let mut figures = Figures::default();
        figures.add(json).unwrap();
        Outcome::Measured(figures)
    }

    fn case() -> Case {
        Case {
            name: "echo",
            title: "an echo".to_owned(),
            load: String::new(),
            entries: [&OMNIWIRE, &TCP, &ASPNET].map(|server| Entry::new(server, &[])).into(),
            columns: MESSAGES,
            bases: &["bare TCP"],
        }
    }

    #[test]
    fn a_row_has_the_ratio_to_the_base_and_says_what_is_not_here() {
        let outcomes = [
            measured(r#"{"messages":1000000,"seconds":2,"cpu_seconds":9}"#),
            measured(r#"{"messages":1000000,"seconds":1,"cpu_seconds":6}"#),
            Outcome::Missing("no .NET\nat all".to_owned()),
        ];
        let expected = "
## an echo

| server | CPU s per million | ÷ bare TCP | messages per s |
|---|---:|---:|---:|
| omniwire | 9.00 | 1.50 | 500,000 |
| bare TCP | 6.00 | 1.00 | 1,000,000 |
| ASP.NET Core SignalR | not here | not here | |

ASP.NET Core SignalR: no .NET
";
        assert_eq!(section(&case(), &outcomes), expected);
    }

    #[test]
    fn without_its_base_a_row_has_no_ratio() {
        let ours = measured(r#"{"messages":1000000,"seconds":2,"cpu_seconds":9}"#);
        let outcomes = [ours, Outcome::Failed, Outcome::Missing(String::new())];
        let section = section(&case(), &outcomes);
        assert!(section.contains("| omniwire | 9.00 | - | 500,000 |"), "{section}");
        assert!(section.contains("| bare TCP | FAILED | FAILED | |"), "{section}");
    }
}
