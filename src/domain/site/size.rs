//! Sizes of partitions and volumes: `20g`, `>1GiB`, `50%`.

use std::fmt;
use std::str::FromStr;

/// The size of a partition or logical volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Written with a leading `>`: at least this much, and the rest of what is free.
    pub minimum: bool,
    /// How much.
    pub amount: Amount,
}

/// How much a [`Size`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Amount {
    /// Bytes, however they were written.
    Bytes(u64),
    /// Hundredths of the whole device or volume group; more than 100 is for a rule to report.
    Percent(u32),
}

/// A text that is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a size is a whole number and a unit, for example `20g`, `>512MiB` or `50%`")]
pub struct SizeError;

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix('>');
        let minimum = rest.is_some();
        let rest = rest.unwrap_or(text);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = rest.split_at(digits);
        let amount = if unit == "%" {
            Amount::Percent(count.parse().map_err(|_no_number| SizeError)?)
        } else {
            let count: u64 = count.parse().map_err(|_no_number| SizeError)?;
            let bytes = unit_bytes(unit).and_then(|unit| count.checked_mul(unit));
            Amount::Bytes(bytes.ok_or(SizeError)?)
        };
        Ok(Self { minimum, amount })
    }
}

fn unit_bytes(unit: &str) -> Option<u64> {
    Some(match unit {
        "m" | "M" | "mb" | "MB" => 1_000_000,
        "g" | "G" | "gb" | "GB" => 1_000_000_000,
        "t" | "T" | "tb" | "TB" => 1_000_000_000_000,
        "mi" | "Mi" | "mib" | "MiB" => 1 << 20,
        "gi" | "Gi" | "gib" | "GiB" => 1 << 30,
        "ti" | "Ti" | "tib" | "TiB" => 1 << 40,
        _other_text => return None,
    })
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.minimum {
            f.write_str(">")?;
        }
        match self.amount {
            Amount::Percent(percent) => write!(f, "{percent}%"),
            Amount::Bytes(bytes) => {
                let units = [
                    ("t", 1_000_000_000_000),
                    ("Ti", 1 << 40),
                    ("g", 1_000_000_000),
                    ("Gi", 1 << 30),
                    ("m", 1_000_000),
                    ("Mi", 1_u64 << 20),
                ];
                let exact = units
                    .into_iter()
                    .find(|(_, unit)| bytes > 0 && bytes % unit == 0);
                let (unit, each) = exact.unwrap_or(("m", 1_000_000));
                write!(f, "{}{unit}", bytes / each)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_decimal_and_binary_units() {
        for (text, bytes) in [
            ("20g", 20_000_000_000),
            ("1GiB", 1 << 30),
            ("500m", 500_000_000),
            ("2ti", 2 << 40),
            ("0MB", 0),
        ] {
            let size: Result<Size, _> = text.parse();
            let amount = Amount::Bytes(bytes);
            assert_eq!(
                size,
                Ok(Size {
                    minimum: false,
                    amount
                }),
                "{text}"
            );
        }
        let rest = Size {
            minimum: true,
            amount: Amount::Percent(10),
        };
        assert_eq!(">10%".parse(), Ok(rest));
    }

    #[test]
    fn sizes_are_shown_as_they_are_written() {
        for text in ["20g", ">1Gi", "500m", "50%", "3Ti", "0m"] {
            let size: Result<Size, _> = text.parse();
            assert_eq!(size.map(|size| size.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "20",
            "g",
            "-1g",
            "1.5g",
            "20 g",
            "> 20g",
            "20k",
            "%",
            "99999999999t",
            "20gg",
        ] {
            assert_eq!(text.parse::<Size>(), Err(SizeError), "{text}");
        }
    }
}
