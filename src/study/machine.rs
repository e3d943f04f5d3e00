//! The machine, in a few words.

/// Processor, cores and system: `AMD EPYC, 2 cores, linux x86_64`. The processor's name is known on Linux only.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = if cores == 1 {
        "1 core".into()
    } else {
        format!("{cores} cores")
    };
    let rest = format!("{cores}, {} {}", std::env::consts::OS, std::env::consts::ARCH);
    match std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| processor(&text))
    {
        Some(name) => format!("{name}, {rest}"),
        None => rest,
    }
}

/// The first `model name` of Linux's list.
fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    let name = line.split_once(':')?.1.split_whitespace().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_read() {
        let text = "processor\t: 0\nmodel name\t: Some  CPU @ 2 GHz\nflags\t: fpu\n";
        assert_eq!(processor(text).as_deref(), Some("Some CPU @ 2 GHz"));
        assert_eq!(processor("Hardware : none"), None);
        assert!(describe().contains("core"));
    }
}
