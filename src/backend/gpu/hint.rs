//! Why there might be no adapter: wgpu says the same whether the Vulkan loader or the driver is missing.

/// What seems to be missing on this machine, in one sentence.
pub(super) fn missing() -> String {
    if cfg!(target_os = "linux") {
        linux()
    } else {
        "the system offers no Vulkan, Metal, DX12 or GL driver; install your graphics card's driver".into()
    }
}

fn linux() -> String {
    let drivers = driver_files();
    match (loader_installed(), drivers.len()) {
        (false, _) => "the Vulkan loader (libvulkan.so.1) is not installed; Debian and Ubuntu have it in \
                       libvulkan1, and a software driver in mesa-vulkan-drivers"
            .into(),
        (true, 0) => "the Vulkan loader is installed but no driver (ICD file) is; Debian and Ubuntu have a software \
                      driver in mesa-vulkan-drivers"
            .into(),
        (true, _) => format!(
            "the Vulkan loader and driver files are installed ({}), but none of them offers an adapter",
            drivers.join(", ")
        ),
    }
}

/// Whether the dynamic linker would find the loader: in its cache, or in LD_LIBRARY_PATH.
fn loader_installed() -> bool {
    const LOADER: &str = "libvulkan.so.1";
    let cached = std::fs::read("/etc/ld.so.cache")
        .is_ok_and(|cache| cache.windows(LOADER.len()).any(|window| window == LOADER.as_bytes()));
    let paths = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    cached || std::env::split_paths(&paths).any(|directory| directory.join(LOADER).exists())
}

/// The ICD files that the loader would read: those that the environment names instead of the system's, or the system's
/// and those that the environment adds.
fn driver_files() -> Vec<String> {
    let listed = |variable| {
        let paths = std::env::var_os(variable).unwrap_or_default();
        std::env::split_paths(&paths)
            .filter(|path| path.exists())
            .collect::<Vec<_>>()
    };
    let instead: Vec<_> = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]
        .into_iter()
        .flat_map(listed)
        .collect();
    let overridden = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let mut files = if overridden {
        instead
    } else {
        listed("VK_ADD_DRIVER_FILES")
    };
    let directories = [
        "/etc/vulkan/icd.d",
        "/usr/share/vulkan/icd.d",
        "/usr/local/share/vulkan/icd.d",
    ];
    for directory in directories.iter().filter(|_| !overridden) {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        files.extend(
            entries
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|e| e == "json")),
        );
    }
    files.sort();
    files
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect()
}
