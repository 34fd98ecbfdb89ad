//! What the generator says, and the medians of it.

use serde_json::Value;

use crate::bench::cases::Column;
use crate::process::{Failure, Result};

/// What one server did in one case, a line of JSON for each round.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rounds: Vec<Value>,
}

impl Figures {
    pub(crate) fn add(&mut self, json: &str) -> Result {
        let round = serde_json::from_str(json)
            .map_err(|error| Failure::new(format!("the generator said {json:?}: {error}")))?;
        self.rounds.push(round);
        Ok(())
    }

    /// The median over all rounds.
    pub(crate) fn median(&self, column: &Column) -> Option<f64> {
        let number = |round: &Value| {
            let number = round.get(column.of)?.as_f64()?;
            let per = match column.per {
                "" => 1.0,
                per => round.get(per)?.as_f64()?,
            };
            (per > 0.0).then_some(number / per * column.times)
        };
        let mut numbers: Vec<f64> = self.rounds.iter().filter_map(number).collect();
        numbers.sort_by(f64::total_cmp);
        let middle = numbers.len() / 2;
        let upper = *numbers.get(middle)?;
        if numbers.len() % 2 == 1 {
            return Some(upper);
        }
        Some((numbers[middle - 1] + upper) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(of: &'static str, per: &'static str, times: f64) -> Column {
        Column { what: "", of, per, times, decimals: 0 }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let mut figures = Figures::default();
        assert_eq!(figures.median(&column("a", "", 1.0)), None);
        for json in [r#"{"a":9,"b":3}"#, r#"{"a":1,"b":1}"#, r#"{"a":4,"b":2}"#] {
            figures.add(json).unwrap();
        }
        assert_eq!(figures.median(&column("a", "", 1.0)), Some(4.0));
        assert_eq!(figures.median(&column("a", "b", 10.0)), Some(20.0));
        figures.add(r#"{"a":6,"b":1}"#).unwrap();
        assert_eq!(figures.median(&column("a", "", 1.0)), Some(5.0));
        assert_eq!(figures.median(&column("c", "", 1.0)), None);
        assert!(figures.add("no JSON").is_err());
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        let mut figures = Figures::default();
        figures.add(r#"{"a":9,"b":0}"#).unwrap();
        assert_eq!(figures.median(&column("a", "b", 1.0)), None);
    }
}
