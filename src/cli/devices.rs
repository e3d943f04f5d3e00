//! `mlet devices`: the adapters that can train, with their drivers and the limits that matter.

use crate::backend::gpu::{self, Description};
use crate::cli::say::{self, say};

/// Arguments of `mlet devices`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs `mlet devices`.
pub fn run(args: Args) -> anyhow::Result<()> {
    let found: Vec<_> = gpu::adapters().into_iter().map(|adapter| adapter.description).collect();
    if args.json {
        say!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    if found.is_empty() {
        say!("no adapter: {}", gpu::why_no_adapter());
    } else {
        say::text(&table(&found));
    }
    let automatic = gpu::pick("auto", &found)?.map(|index| found[index].label());
    say!("--device auto takes {}", automatic.as_deref().unwrap_or("the CPU"));
    Ok(())
}

/// Columns padded to the widest cell.
fn table(found: &[Description]) -> String {
    let header = [
        "",
        "type",
        "backend:name driver",
        "version",
        "binding",
        "buffer",
        "workgroup",
        "shared",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(found.iter().map(|adapter| {
        [
            format!("#{}", adapter.index),
            adapter.kind.word().to_owned(),
            adapter.label(),
            adapter.driver_info.clone(),
            bytes(adapter.max_storage_binding_bytes),
            bytes(adapter.max_buffer_bytes),
            adapter.max_workgroup_invocations.to_string(),
            bytes(adapter.max_workgroup_storage_bytes.into()),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &[String; 8]| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Bytes in the greatest binary unit that leaves at least one.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (count.max(1).ilog2() / 10).min(4);
    let value = count as f64 / (1u64 << (10 * unit)) as f64;
    let digits = usize::from((value - value.round()).abs() > 0.05 && value < 100.0);
    format!("{value:.digits$} {}", UNITS[unit as usize])
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_read_well() {
        let read = |count| super::bytes(count);
        assert_eq!([read(0), read(16384), read(1 << 27)], ["0 B", "16 KiB", "128 MiB"]);
        assert_eq!([read((1 << 31) - 1), read(u64::MAX)], ["2 GiB", "16777216 TiB"]);
    }
}
